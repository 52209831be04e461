"""A release that serves is restarted, put to rest and woken; killed at any moment, one whole release serves."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import StepError
from ansible_collections.sluice.deploy.plugins.module_utils.release import byhand
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.plugins.module_utils.release.rollback import rollback
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    FakeEngine,
    FusedState,
    Killed,
    World,
    description,
    run_in,
)


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def released(root: Path, *versions: str) -> World:
    world = World()
    for reference in ("web:1", "web:2", "db:1"):
        FakeEngine(world).add_image(reference)
    for version in versions:
        release(run_in(world, root, description(version)))
    world.events.clear()
    return world


def running(world: World) -> set[str]:
    return {name for name, container in world.containers.items() if container.running}


ALL = ("web", "web2", "jobs", "mail")


def test_a_restart_is_the_same_release_as_the_other_colour(tmp_path: Path) -> None:
    world = released(tmp_path, "1", "2")
    state = FusedState(tmp_path, World())
    before = state.serving()
    assert before.current is not None
    assert before.previous is not None
    outcome = byhand.restart(run_in(world, tmp_path, description("2")))
    assert (outcome.changed, outcome.release, outcome.colour) == (True, before.current.release, "blue")
    assert world.edge == "blue"
    assert running(world) == {f"crm-blue-{s}" for s in ALL} | {"crm-db"}
    assert world.unserved == []
    assert "hook migrate" not in world.events
    assert state.records()[-1]["operation"] == "restart"
    # The way back is still there, and leads there without a gap.
    assert state.serving().previous is not None
    back = rollback(run_in(world, tmp_path, description("2")))
    assert (back.release, back.colour) == (before.previous.release, "green")
    assert world.unserved == []
    assert running(world) == {f"crm-green-{s}" for s in ALL} | {"crm-db"}


def test_a_worker_and_a_data_service_are_restarted_where_they_are(tmp_path: Path) -> None:
    for service, project in (("jobs", "crm-blue"), ("db", "crm-data")):
        world = released(tmp_path / service, "1")
        assert byhand.restart(run_in(world, tmp_path / service, description("1")), service).changed
        assert [e for e in world.events if "/" in e or e.startswith("up")] == [
            f"stop {project}/{service}",
            f"up {project} {service}",
        ]


def test_what_is_not_there_is_said_before_anything_changes(tmp_path: Path) -> None:
    world = released(tmp_path, "1")
    with pytest.raises(StepError, match=r"no service 'job' \(did you mean 'jobs'\?\)"):
        byhand.restart(run_in(world, tmp_path, description("1")), "job")
    assert world.events == []
    for action in (byhand.restart, byhand.stop, byhand.start):
        with pytest.raises(StepError, match="no release is on record"):
            action(run_in(World(), tmp_path / "bare", description("1")))


def test_check_changes_nothing(tmp_path: Path) -> None:
    world = released(tmp_path, "1")
    for action in (byhand.restart, byhand.stop):
        assert action(run_in(world, tmp_path, description("1")), check=True).changed
    assert not byhand.start(run_in(world, tmp_path, description("1")), check=True).changed
    assert world.events == []


def test_stopped_and_started_again(tmp_path: Path) -> None:
    world = released(tmp_path, "1")
    assert byhand.stop(run_in(world, tmp_path, description("1"))).changed
    assert (world.edge, running(world)) == (None, set())
    assert not byhand.stop(run_in(world, tmp_path, description("1"))).changed
    assert byhand.start(run_in(world, tmp_path, description("1"))).changed
    assert (world.edge, running(world)) == ("blue", {f"crm-blue-{s}" for s in ALL} | {"crm-db"})
    assert world.unserved == []
    assert not byhand.start(run_in(world, tmp_path, description("1"))).changed
    operations = [r["operation"] for r in FusedState(tmp_path, World()).records()]
    assert operations == ["release", "stop", "start"]


def test_data_services_run_on_where_a_last_backup_is_to_come(tmp_path: Path) -> None:
    world = released(tmp_path, "1")
    assert byhand.stop(run_in(world, tmp_path, description("1")), data=False).changed
    assert (world.edge, running(world)) == (None, {"crm-db"})
    assert not byhand.stop(run_in(world, tmp_path, description("1")), data=False).changed
    assert byhand.start(run_in(world, tmp_path, description("1"))).changed
    assert (world.edge, running(world)) == ("blue", {f"crm-blue-{s}" for s in ALL} | {"crm-db"})
    byhand.stop(run_in(world, tmp_path, description("1")), data=False)
    assert byhand.stop(run_in(world, tmp_path, description("1"))).changed
    assert running(world) == set()


def test_killed_at_any_moment_of_a_restart_one_whole_release_serves(tmp_path: Path) -> None:
    for moment in range(1, 60):
        root = tmp_path / str(moment)
        world = released(root, "1")
        world.kill_at = world.effects + moment
        with contextlib.suppress(Killed):
            byhand.restart(run_in(world, root, description("1")))
        through = world.kill_at is not None
        world.heal()
        release(run_in(world, root, description("1")))
        assert running(world) == {f"crm-{world.edge}-{s}" for s in ALL} | {"crm-db"}, moment
        assert world.unserved == [], moment
        # Who looks into the release's directory by hand sees the colour that serves.
        (directory,) = FusedState(root, World()).releases.iterdir()
        assert f"COLOUR={world.edge}\n" in (directory / ".env").read_text(), moment
        if through:
            break
    assert through


def test_refused_at_any_step_of_a_restart_the_release_serves_on(tmp_path: Path) -> None:
    for moment in range(1, 60):
        root = tmp_path / str(moment)
        world = released(root, "1")
        world.fail_at = world.effects + moment
        with contextlib.suppress(StepError):
            byhand.restart(run_in(world, root, description("1")))
        through = world.fail_at is not None
        assert world.unserved == [], moment
        assert {f"crm-{world.edge}-web", f"crm-{world.edge}-web2", "crm-db"} <= running(world), moment
        if through:
            break
    assert through
