"""Servers that version 0.1 left in the middle go on under this one.

`recorded/states_of_0_1.json` was written by version 0.1.0: its releases, rollbacks and recreations of `fakes.py` were
killed before each effect, or met a disk that was full from there on. A state is the stack's directory, the containers
and whom the edge pointed at; texts and containers stand in tables of their own, by name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.release.engine import Container, Image
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.plugins.module_utils.release.rollback import rollback
from ansible_collections.sluice.deploy.plugins.module_utils.stack.directory import StackState
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import World, description, run_in

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "recorded" / "states_of_0_1.json").read_text(encoding="utf-8")
)


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def found(root: Path, name: str) -> World:
    """The world as 0.1 left it."""
    state, world = RECORDED["states"][name], World()
    for path, text in state["files"].items():
        place = root / "crm" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(RECORDED["texts"][text], encoding="utf-8")
    for key in state["containers"]:
        container = Container(**RECORDED["containers"][key])
        world.containers[container.name] = container
    for reference, identifier in RECORDED["images"].items():
        digest = f"sha256:{'d' * 64}" if reference == "db:1" else ""
        image = Image(identifier, reference, digest)
        name_and_tag = f"sluice/crm-{reference.partition(':')[0]}:{identifier[7:19]}"
        world.images |= dict.fromkeys((reference, identifier, name_and_tag), image)
    world.edge = state["edge"]
    return world


@pytest.mark.parametrize("version", ["1", "2", "3"], ids=["back", "again", "on"])
def test_a_server_that_0_1_left_anywhere_goes_on(tmp_path: Path, version: str) -> None:
    for name in RECORDED["states"]:
        root = tmp_path / name
        world = found(root, name)
        changes = {"strategy": "recreate"} if name.startswith("recreate") else {}
        # Where 0.1 itself had stopped what served, there is nothing left to lose.
        world.judge_service = not changes and serves(world)
        databases = {c.name: c for c in world.containers.values() if c.id.startswith("crm-data/")}
        release(run_in(world, root, description(version, **changes)))
        state = StackState(str(root), "crm")
        current = state.serving().current
        assert state.journal() is None, name
        assert current and world.edge == current.colour, name
        prefix = "crm-" if changes else f"crm-{world.edge}-"
        wanted = {f"{prefix}{service}" for service in ("web", "web2", "jobs", "mail")}
        assert {n for n, c in world.containers.items() if c.running} == wanted | {"crm-db"}, name
        held = world.images[f"web:{version}"].id.removeprefix("sha256:")[:12]
        assert world.containers[f"{prefix}web"].image.endswith(held), name
        assert world.unserved == [], f"{name}: {world.events}"
        # Its databases were never stopped for it.
        assert {c.name: c for c in world.containers.values() if c.name in databases} == databases, name
        assert not [e for e in world.events if "crm-data" in e], name


def test_a_way_back_that_0_1_kept_is_one(tmp_path: Path) -> None:
    for name in ("rollback-00", "release-18"):
        root = tmp_path / name
        world = found(root, name)
        outcome = rollback(run_in(world, root, description("2")))
        assert outcome.changed and world.unserved == []
        assert world.containers[f"crm-{world.edge}-web"].running


def test_a_release_with_what_0_1_alone_took_serves_on_and_gives_way(tmp_path: Path) -> None:
    world = found(tmp_path, "release-00")
    (place,) = (tmp_path / "crm" / "releases").glob("*/release.json")
    content = json.loads(place.read_text())
    content["description"]["services"]["web"] |= {"command": "prepare && serve", "env": {"A": "${B}"}}
    place.write_text(json.dumps(content))
    release(run_in(world, tmp_path, description("2")))
    assert world.edge == "green" and world.unserved == []
    rollback(run_in(world, tmp_path, description("2")))
    assert world.edge == "blue" and world.unserved == []


def serves(world: World) -> bool:
    name = f"crm-{world.edge}-web"
    return name in world.containers and world.containers[name].running
