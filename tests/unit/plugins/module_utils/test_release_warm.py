"""A way back that is warm: what runs on, what stops it, and that no moment loses a request."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import StepError
from ansible_collections.sluice.deploy.plugins.module_utils.release import checks, preflight, warm
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.plugins.module_utils.release.rollback import rollback
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Service
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    FakeEngine,
    Killed,
    World,
    description,
    run_in,
)
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.test_release import assert_settled

WARM = {"keep_warm": "15m"}
REST = ["crm-blue/jobs", "crm-blue/mail"]


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What systemd is to run, newest last."""
    given: list[str] = []

    def schedule(unit: str, seconds: float, script: str) -> bool:
        assert (unit, seconds) == ("sluice-cool-crm", 900)
        given.append(script)
        return True

    monkeypatch.setattr(warm, "schedule", schedule)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    return given


def prepared(root: Path) -> World:
    world = World()
    for reference in ("web:1", "web:2", "web:3", "db:1"):
        FakeEngine(world).add_image(reference)
    release(run_in(world, root, description("1", **WARM)))
    return world


def running(world: World) -> set[str]:
    return {c.id for c in world.containers.values() if c.running and not c.id.startswith("crm-data")}


def test_web_services_run_on_and_workers_do_not(tmp_path: Path) -> None:
    world = prepared(tmp_path)
    run = run_in(world, tmp_path, description("2", **WARM))
    release(run)
    green = {f"crm-green/{name}" for name in ("web", "web2", "jobs", "mail")}
    assert running(world) == green | {"crm-blue/web", "crm-blue/web2"}
    assert "stays warm for 900 s" in run.notes[-1]
    again = release(run_in(world, tmp_path, description("2", **WARM)))
    assert not again.changed
    assert world.unserved == []


def test_a_warm_way_back_serves_at_once_and_starts_its_workers_then(tmp_path: Path) -> None:
    world = prepared(tmp_path)
    release(run_in(world, tmp_path, description("2", **WARM)))
    world.events.clear()
    rollback(run_in(world, tmp_path, description("2", **WARM)))
    assert [e for e in world.events if not e.startswith("journal")][:4] == [
        "switch blue", "stop crm-green/jobs", "up crm-blue jobs", "up crm-blue mail",
    ]  # fmt: skip
    assert world.unserved == []
    # What was left is warm now.
    assert running(world) - {f"crm-blue/{n}" for n in ("web", "web2", "jobs", "mail")} == {
        "crm-green/web",
        "crm-green/web2",
    }


@pytest.mark.parametrize("works", [True, False])
def test_before_a_warm_way_back_serves_it_is_asked_whether_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    world = prepared(tmp_path)
    for version in ("1", "2"):
        described = description(version, **WARM)
        described["services"]["web"]["health"] = {"path": "/up"}
        monkeypatch.setattr(checks, "answers", lambda *arguments: (True, "status 200"))
        release(run_in(world, tmp_path, described))
    asked: list[str] = []

    def answer(service: Service, *arguments: object) -> tuple[bool, str]:
        asked.append(service.name)
        return works, "status 200" if works else "status 503"

    monkeypatch.setattr(checks, "answers", answer)
    run = run_in(world, tmp_path, described)
    if works:
        rollback(run)
    else:
        with pytest.raises(StepError, match=r"gate smoke\.web failed"):
            rollback(run)
    assert set(asked) == {"web", "web2"}
    assert [gate["id"] for gate in run.gates] == ["smoke.web", "smoke.web2"]
    assert world.unserved == []


def test_killed_at_any_moment_of_a_warm_way_back_no_request_is_lost(tmp_path: Path) -> None:
    for next_version in ("1", "2"):
        moment = 0
        while True:
            moment += 1
            root = tmp_path / f"{next_version}-{moment}"
            world = prepared(root)
            release(run_in(world, root, description("2", **WARM)))
            world.kill_at = world.effects + moment
            try:
                rollback(run_in(world, root, description("2", **WARM)))
                break
            except Killed:
                pass
            # The one that serves may be the described one already: then what is warm stays so.
            release(run_in(world, root, description(next_version, **WARM)))
            FakeEngine(world).remove("crm-blue" if world.edge == "green" else "crm-green")
            assert_settled(world, root, next_version)
            assert world.unserved == [], f"moment {moment}: {world.events}"
        assert moment > 8


@pytest.mark.parametrize("overtaken", [False, True])
def test_the_timer_stops_what_is_warm_unless_a_run_came_first(
    tmp_path: Path, scripts: list[str], overtaken: bool
) -> None:
    world = prepared(tmp_path)
    release(run_in(world, tmp_path, description("2", **WARM)))
    if overtaken:
        rollback(run_in(world, tmp_path, description("2", **WARM)))
    place = tmp_path / "bin"
    place.mkdir()
    (place / "docker").write_text(f"#!/bin/sh\necho $* >> {tmp_path}/stopped\n")
    (place / "docker").chmod(0o755)
    environment = {**os.environ, "PATH": f"{place}:{os.environ['PATH']}"}
    subprocess.run(["/bin/sh", "-c", scripts[0]], env=environment, check=True)
    stopped = tmp_path / "stopped"
    assert (stopped.read_text() if stopped.exists() else "") == (
        "" if overtaken else "stop crm-blue/web crm-blue/web2\n"
    )
    if not overtaken:
        # Cold again: the way back starts its containers as ever.
        FakeEngine(world).stop("crm-blue")
        rollback(run_in(world, tmp_path, description("2", **WARM)))
        assert world.unserved == []


def test_one_that_a_reboot_left_running_is_stopped_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = prepared(tmp_path)
    release(run_in(world, tmp_path, description("2", **WARM)))
    later = time.time() + 901
    monkeypatch.setattr("time.time", lambda: later)
    release(run_in(world, tmp_path, description("2", **WARM)))
    assert not [c for c in running(world) if c.startswith("crm-blue")]


def test_without_a_timer_nothing_stays_warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "schedule", lambda *arguments: False)
    world = prepared(tmp_path)
    run = run_in(world, tmp_path, description("2", **WARM))
    release(run)
    assert not [c for c in running(world) if c.startswith("crm-blue")]
    assert "not kept warm" in run.notes[-1]


def test_systemd_that_is_silent_sets_no_timer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for name in ("systemctl", "systemd-run"):
        (tmp_path / name).write_text("#!/bin/sh\nexec sleep 5\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(warm, "_TIMEOUT", 0.1)
    assert not warm.schedule("sluice-cool-crm", 900, "true")


def test_the_preflight_tells_that_both_stay(tmp_path: Path) -> None:
    described: dict[str, Any] = description("1", **WARM)
    described["services"]["web"]["limits"] = {"memory": "1g"}
    result = preflight.memory(run_in(World(), tmp_path, described), "MemAvailable: 9000000 kB\n")
    assert "both stay for 900 s, by stack_keep_warm" in result["evidence"]
