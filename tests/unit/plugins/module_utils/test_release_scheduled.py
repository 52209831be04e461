"""Scheduled jobs: in the release that serves, one at a time, on record, and without a secret in what is kept."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils import units
from ansible_collections.sluice.deploy.plugins.module_utils.errors import EngineError, UserError
from ansible_collections.sluice.deploy.plugins.module_utils.hostprobe import jobs as judged
from ansible_collections.sluice.deploy.plugins.module_utils.release import scheduled, timers
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.plugins.module_utils.stack.directory import StackState
from ansible_collections.sluice.deploy.plugins.module_utils.stack.jobs import Jobs
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack
from ansible_collections.sluice.deploy.plugins.module_utils.stack.yamlout import texts_of, to_yaml
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    FakeEngine,
    World,
    description,
    run_in,
)

TOKEN = "a-$long 'token' value"
JOB = {"service": "web", "command": ["node", "nightly.js"], "schedule": "03:00", "timeout": "30m"}


class Server:
    """A host on which the stack serves, whose engine answers the job as told."""

    def __init__(self, root: Path) -> None:
        world = World()
        self.engine: Any = FakeEngine(world)
        for reference in ("web:1", "web:2", "db:1"):
            self.engine.add_image(reference)
        self.root, self.directory, self.world = root, root / "crm", world
        self.release("1")
        self.asked: list[Any] = []
        self.answer: Any = (0, f"done with {TOKEN}\n")
        self.engine.run_once = self._once
        self.running = "false"
        self.jobs = Jobs(self.directory)
        self.jobs.file.write_text(json.dumps({"jobs": {"nightly": {**JOB, "timeout": 1800}}}))

    def release(self, version: str) -> str:
        run = run_in(self.world, self.root, description(version))
        run.secrets["TOKEN"] = TOKEN
        return release(run).release

    def _once(self, project: Any, *asked: Any) -> tuple[int, str]:
        self.asked.append((project.colour, *asked))
        if isinstance(self.answer, Exception):
            raise self.answer
        answer: tuple[int, str] = self.answer
        return answer

    def command(self, argv: list[str], *_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(argv, 0, self.running, "")

    def perform(self, name: str = "nightly") -> str:
        return scheduled.perform(self.directory, name, self.engine, sleep=lambda seconds: None)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    found = Server(tmp_path)
    monkeypatch.setattr(scheduled.commands, "run", found.command)
    return found


def test_a_job_follows_the_colour_and_its_output_is_masked(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert server.perform() == ""
    second = server.release("2")
    assert server.perform() == ""
    assert [asked[0] for asked in server.asked] == ["blue", "green"]
    assert server.asked[0][1:] == ("web", ["node", "nightly.js"], 1800, "sluice-job-crm_nightly")
    runs = server.jobs.runs("nightly")
    assert [run["colour"] for run in runs] == ["blue", "green"]
    assert runs[1]["release"] == second
    assert "done with" in runs[0]["output"]
    assert TOKEN not in json.dumps(runs) + capsys.readouterr().out


def test_what_goes_wrong_is_on_record(server: Server) -> None:
    server.answer = (7, "no\n")
    assert server.perform() == "it ended with status 7"
    server.answer = EngineError("no engine")
    assert server.perform() == "it could not begin: no engine"
    server.running = "true"
    assert server.perform() == "its last run goes on still"
    assert "there is no such job" in server.perform("other")
    assert [bool(run["outcome"]) for run in server.jobs.runs("nightly")] == [True] * 3
    assert len(server.asked) == 2


def test_a_stack_at_rest_runs_no_job(server: Server) -> None:
    for project in ("crm-blue", "crm-data"):
        server.engine.stop(project)
    assert server.perform() == "the stack is at rest"
    assert server.asked == []


def test_the_newest_runs_are_kept(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    for number in range(30):
        jobs.note("nightly", {"at": number})
    assert [run["at"] for run in jobs.runs("nightly")] == list(range(10, 30))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd judges schedules")
def test_timers_of_jobs_come_and_go_with_the_description(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIBRARY", "UNITS"):
        monkeypatch.setattr(units, name, tmp_path / name)
    monkeypatch.setattr(units, "_systemctl", lambda *arguments: None)
    (tmp_path / "UNITS").mkdir()
    # Another stack's, whose name begins as this one's.
    (tmp_path / "UNITS/sluice-job-crm-eu_nightly.timer").touch()

    def install(jobs: dict[str, Any]) -> bool:
        stack = parse_stack(description("1", jobs=jobs))
        return units.install(timers.planned_jobs(stack, tmp_path), timers.job_files("crm", tmp_path))

    assert install({"nightly": JOB, "hourly": {**JOB, "schedule": "hourly"}})
    assert not install({"nightly": JOB, "hourly": {**JOB, "schedule": "hourly"}})
    assert install({"nightly": JOB})
    names = sorted(path.name for path in (tmp_path / "UNITS").iterdir())
    assert names == [
        "sluice-job-crm-eu_nightly.timer",
        "sluice-job-crm_nightly.service",
        "sluice-job-crm_nightly.timer",
    ]
    assert "OnCalendar=03:00\n" in (tmp_path / "UNITS/sluice-job-crm_nightly.timer").read_text()
    told = tmp_path / "crm/jobs.json"
    assert json.loads(told.read_text())["jobs"]["nightly"]["timeout"] == 1800
    assert stat.S_IMODE(told.stat().st_mode) == 0o600
    assert install({})
    assert not install({})
    assert not told.exists()
    with pytest.raises(UserError, match=r"stack_jobs.nightly.schedule: systemd does not know 'noonish'"):
        install({"nightly": {**JOB, "schedule": "noonish"}})


def test_verify_tells_of_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = StackState(str(tmp_path), "crm")
    state.create()
    jobs = Jobs(state.directory)
    assert judged.jobs_of(state) == []
    jobs.file.write_text(json.dumps({"jobs": {"nightly": JOB, "weekly": JOB}}))
    jobs.note("nightly", {"at": 1000.0, "outcome": ""})
    active = {"ActiveState": "active", "NextElapseUSecRealtime": "tomorrow"}
    monkeypatch.setattr(judged.facts, "unit", lambda name, *properties: active)
    assert judged.judge_jobs(judged.jobs_of(state), 4600.0)["status"] == "pass"
    jobs.note("nightly", {"at": 1000.0, "outcome": "it ended with status 1"})
    failed = judged.judge_jobs(judged.jobs_of(state), 4600.0)
    assert (failed["status"], failed["measured"]) == ("warn", "1 of 2 well")
    assert "nightly: it ended with status 1" in failed["evidence"]
    monkeypatch.setattr(judged.facts, "unit", lambda name, *properties: {})
    assert judged.judge_jobs(judged.jobs_of(state), 4600.0)["status"] == "fail"


@settings(max_examples=40)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=2))
def test_what_was_written_is_read_back(text: str) -> None:
    assert texts_of(to_yaml({"services": {"web": {"environment": {"TOKEN": text}}}})) == [text]
