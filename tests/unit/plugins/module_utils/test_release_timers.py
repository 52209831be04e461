"""The server's own timers: what is installed, and that the command which they call runs by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils import units
from ansible_collections.sluice.deploy.plugins.module_utils.application import application
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.release import timers
from ansible_collections.sluice.deploy.plugins.module_utils.stack.directory import StackState

SETTINGS = {"stack": {"name": "crm"}, "keeping": {"password": "planted-password-1"}}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    monkeypatch.setattr(units, "LIBRARY", tmp_path / "lib")
    monkeypatch.setattr(units, "UNITS", tmp_path / "units")
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr(units, "_systemctl", lambda *arguments: called.append(arguments))
    return called


def test_timers_are_installed_once_and_stale_ones_go(tmp_path: Path, places: list[tuple[str, ...]]) -> None:
    files = timers.planned("crm", SETTINGS, {"backup": "03:00", "prove": "weekly", "check": ""}, tmp_path)
    assert units.install(files, timers.backup_units("crm"), check=True) and not (tmp_path / "units").exists()
    assert units.install(files, timers.backup_units("crm"))
    assert not units.install(files, timers.backup_units("crm"))
    names = sorted(p.name for p in (tmp_path / "units").iterdir())
    assert names == [f"sluice-{word}-crm.{kind}" for word in ("backup", "prove") for kind in ("service", "timer")]
    assert ("enable", "sluice-backup-crm.timer", "sluice-prove-crm.timer") in places
    holding = [p for p in tmp_path.rglob("*") if p.is_file() and b"planted-password" in p.read_bytes()]
    assert [(p.name, oct(p.stat().st_mode & 0o777)) for p in holding] == [("backup.json", "0o600")]
    fewer = timers.planned("crm", SETTINGS, {"backup": "03:00"}, tmp_path)
    assert units.install(fewer, timers.backup_units("crm"))
    assert ("disable", "--now", "sluice-prove-crm.timer") in places
    assert not (tmp_path / "units/sluice-prove-crm.service").exists()


def test_an_operation_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="compose_stack_backup_schedule: 'backups' is none of backup, prove"):
        timers.planned("crm", SETTINGS, {"backups": "daily"}, tmp_path)


def test_the_command_runs_by_itself_and_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "command").write_bytes(application("release.cli"))
    (tmp_path / "settings").write_text(json.dumps({"stack": {"name": "crm"}, "root": str(tmp_path)}))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-I", str(tmp_path / "command"), *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/")

    assert (run().returncode, run("x", "y").returncode) == (2, 2)
    told = run(str(tmp_path / "settings"), "backup")
    assert told.returncode == 1
    assert told.stderr.startswith("The backup could not begin: stack_services is empty"), told.stderr


def test_a_stack_at_rest_makes_no_backup_newer_than_its_last(tmp_path: Path) -> None:
    (tmp_path / "command").write_bytes(application("release.cli"))
    stack = {"name": "crm", "services": {"web": {"image": "web:1", "port": 80, "health": {"none": True}}}}
    keeping = {"keep_local": 2, "keep_local_days": 0}
    told = {"stack": stack, "root": str(tmp_path), "keeping": keeping, "lock_wait": 0}
    (tmp_path / "settings").write_text(json.dumps(told))
    state = StackState(str(tmp_path), "crm")
    state.directory.mkdir()
    for operation in ("release", "stop"):
        state.append_record({"operation": operation, "outcome": "succeeded", "at": "2026-01-02T03:04:05Z"})
    argv = [sys.executable, "-I", str(tmp_path / "command"), str(tmp_path / "settings"), "backup"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["at_rest_since"] == "2026-01-02T03:04:05Z"
    assert state.backup_records() == []
    state.append_record({"operation": "start", "outcome": "succeeded"})
    assert state.resting() == ""


def test_always_the_same_bytes() -> None:
    assert application("release.cli") == application("release.cli")
