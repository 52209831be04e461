"""Every operation meets every trouble at every moment; then it is mended, and run again.

A moment is one that a request can be lost at: when the edge sends requests to what does not run. `pytest -s` shows how
many moments were tried, and how many of them were without service.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils import files
from ansible_collections.sluice.deploy.plugins.module_utils.errors import EdgeError, EngineError, StepError
from ansible_collections.sluice.deploy.plugins.module_utils.release import backup, operations, restore, warm
from ansible_collections.sluice.deploy.plugins.module_utils.release.edge import NoEdge
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.plugins.module_utils.release.rollback import rollback
from ansible_collections.sluice.deploy.plugins.module_utils.release.run import Run
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    Beginning,
    FakeEngine,
    FusedState,
    Killed,
    World,
    description,
    run_in,
)
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.test_release_backup import Engine

OPERATIONS = ("release", "rollback", "warm rollback", "backup", "prove", "restore", "recover")
TROUBLES = ("killed", "full disk", "silent engine", "refusing engine", "restarting engine", "silent edge")
APPS = ("web", "web2", "jobs", "mail")
_REFUSALS = 3
_APART = 3
_BREAKS: dict[str, type[Exception]] = {
    "full disk": OSError,
    "silent engine": EngineError,
    "refusing engine": EngineError,
    "restarting engine": EngineError,
    "silent edge": EdgeError,
}


class Moments(Engine):
    """Commands within a container are moments too, and so are the containers that a proof has for itself."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.scratch: set[str] = set()

    def start_scratch(self, name, image, environment):  # type: ignore[no-untyped-def]
        self.world.effect(f"scratch {name}", lambda: self.scratch.add(name))

    def discard(self, name):  # type: ignore[no-untyped-def]
        self.world.effect(f"discard {name}", lambda: self.scratch.discard(name))

    def execute(self, container, command, **streams):  # type: ignore[no-untyped-def]
        run = super().execute
        return self.world.effect(f"exec {container}", lambda: run(container, command, **streams))


@dataclass
class Stage:
    """A world in which an operation comes next."""

    world: World
    root: Path
    described: dict[str, Any]
    engine: Moments
    act: Callable[[], object]

    def describe(self, image: str) -> str:
        """What is released from now on; what was before."""
        before: str = self.described["services"]["web"]["image"]
        for name in APPS:
            self.described["services"][name] = {**self.described["services"][name], "image": image}
        return before

    def run(self) -> Run:
        run = run_in(self.world, self.root, self.described)
        run.engine = self.engine
        return run


@pytest.fixture(autouse=True)
def moments(monkeypatch: pytest.MonkeyPatch) -> list[World]:
    """What is written and renamed on the disk is a moment of the world that is on stage."""
    stage: list[World] = []
    rename, write = Path.rename, files.write_whole
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr(warm, "schedule", lambda *arguments: True)

    def moment(what: str, change: Callable[[], Any]) -> Any:
        return stage[-1].effect(what, change, OSError) if stage else change()

    monkeypatch.setattr(Path, "rename", lambda a, b: moment(f"rename {a.name}", lambda: rename(a, b)))
    for module in (restore, backup, warm):
        monkeypatch.setattr(
            module, "write_whole", lambda path, text: moment(f"write {path.name}", lambda: write(path, text))
        )
    return stage


def prepared(root: Path, operation: str, stage: list[World]) -> Stage:
    stage.clear()
    world = World()
    for reference in ("web:1", "web:2", "web:3", "web:4", "db:1"):
        FakeEngine(world).add_image(reference)
    described = description("1", keep_warm=900 if operation == "warm rollback" else 0)
    described["services"]["db"]["backup"] = "postgres"
    described["services"]["web"] = {**described["services"]["web"], "volumes": ["files:/files"]}
    engine = Moments(world)
    engine.volume = root / "volumes" / "_data"
    engine.volume.mkdir(parents=True)
    (engine.volume / "upload").write_text("before")
    staged = Stage(world, root / "state", described, engine, lambda: None)
    release(staged.run())
    staged.describe("web:2")
    release(staged.run())
    place = backup.back_up(staged.run())
    (engine.volume / "upload").write_text("after")
    if operation == "release":
        staged.describe("web:3")
    acts: dict[str, Callable[[], object]] = {
        "release": lambda: release(staged.run()),
        "backup": lambda: backup.back_up(staged.run()),
        "prove": lambda: operations.perform(staged.run(), "prove"),
        "restore": lambda: restore.restore_from(staged.run(), place.name),
        "recover": lambda: come_back(staged, place.name),
    }
    if operation == "recover":
        make_bare(staged)
    staged.act = acts.get(operation, lambda: rollback(staged.run()))
    stage.append(world)
    return staged


def make_bare(staged: Stage) -> None:
    """A new server, to which only the backup was brought."""
    staged.world.containers.clear()
    staged.world.edge = None
    (staged.engine.volume / "upload").write_text("empty")
    directory = staged.run().state.directory
    for place in directory.iterdir():
        if place.is_dir() and place.name != "backups":
            shutil.rmtree(place)
        elif not place.is_dir():
            place.unlink()
    staged.run()


def come_back(staged: Stage, backup_name: str) -> None:
    """As playbooks/recover.yml: a release that nobody is led to, and then the data."""
    run = staged.run()
    current = run.state.serving().current
    run.edge = NoEdge(current.colour if current else None)
    release(run)
    restore.restore_from(staged.run(), backup_name)


def assert_whole(staged: Stage, when: str) -> None:
    """One release serves, as the edge and the record say; the data is all from before or all from after."""
    world, state = staged.world, FusedState(staged.root, World())
    assert state.journal() is None and not state.restore_note.exists(), when
    current = state.serving().current
    assert current is not None and world.edge == current.colour, when
    running = {name for name, container in world.containers.items() if container.running}
    assert running >= {f"crm-{world.edge}-{s}" for s in APPS} | {"crm-db"}, when
    assert not [c for c in world.containers.values() if c.state == "paused"], when
    assert (staged.engine.volume / "upload").read_text() in ("before", "after"), when
    assert backup.whole(staged.run()), when


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_moment_of_any_trouble_loses_a_request(
    tmp_path: Path, moments: list[World], operation: str, trouble: str
) -> None:
    staged = prepared(tmp_path / "stage", operation, moments)
    world = staged.world
    beginning = Beginning(world, tmp_path / "stage")
    before = world.effects
    staged.act()
    count = world.effects - before
    unserved = 0
    for moment in range(1, count + 1):
        beginning.again()
        if trouble == "killed":
            world.kill_at = world.effects + moment
        else:
            world.break_at, world.breaks = world.effects + moment, _BREAKS[trouble]
            world.lasts = _REFUSALS if trouble == "restarting engine" else None
            world.answers = trouble == "refusing engine"
        with contextlib.suppress(StepError, Killed, EngineError, EdgeError, OSError):
            staged.act()
        world.heal()
        if operation == "recover":
            assert not world.edge or (staged.engine.volume / "upload").read_text() == "before"
            staged.act()
            assert (staged.engine.volume / "upload").read_text() == "before"
        # A backup that failed is made again, anything else is released.
        if operation == "backup":
            backup.back_up(staged.run())
            assert not list(staged.run().state.backups.glob(".partial-*"))
        if operation == "prove":
            assert operations.perform(staged.run(), "prove")["rows"] == 2
            assert not staged.engine.scratch and not (staged.run().state.directory / "proof").exists()
        release(staged.run())
        unserved += len(world.unserved)
        assert_whole(staged, f"{operation}, {trouble}, moment {moment}: {world.events[-15:]}")
    print(f"{operation} with {trouble}: {count} moments, {unserved} without service")
    assert count > 3 and unserved == 0


@pytest.mark.parametrize("operation", ["release", "rollback", "warm rollback", "restore"])
def test_no_moment_of_an_undo_that_the_engine_ends_loses_a_request(
    tmp_path: Path, moments: list[World], operation: str
) -> None:
    """Something fails, and from a moment of the undo on the engine does not answer."""
    staged = prepared(tmp_path / "stage", operation, moments)
    world = staged.world
    beginning = Beginning(world, tmp_path / "stage")
    before = world.effects
    staged.act()
    count, tried, unserved = world.effects - before, 0, 0
    for moment in range(1, count + 1):
        # A third of the undo's moments each: neighbours undo much the same.
        for later in itertools.count(1 + moment % _APART, _APART):
            beginning.again()
            world.fail_at = world.effects + moment
            world.break_at, world.breaks = world.fail_at + later, EngineError
            with contextlib.suppress(StepError):
                staged.act()
            if world.effects < world.break_at:
                break
            world.heal()
            # What comes next is another one, which takes the place of whatever the record says that rests.
            described = staged.describe("web:4")
            release(staged.run())
            staged.describe(described)
            tried += 1
            unserved += len(world.unserved)
            assert_whole(staged, f"{operation}, moment {moment} and {later} later: {world.events[-15:]}")
    print(f"{operation} and its undo: {tried} pairs of moments, {unserved} without service")
    assert tried > count and unserved == 0
