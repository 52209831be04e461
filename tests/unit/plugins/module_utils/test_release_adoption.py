"""A first release in the place of a project that somebody started by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import StepError
from ansible_collections.sluice.deploy.plugins.module_utils.release import release as releases
from ansible_collections.sluice.deploy.plugins.module_utils.release.engine import Container, Member
from ansible_collections.sluice.deploy.plugins.module_utils.release.plan import plan
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import Killed, World, description, run_in


class FakeForeign:
    """A project beside the world, which notes what becomes of it among the world's events."""

    def __init__(self, world: World, members: Sequence[Member], *same: str) -> None:
        self.world, self.running, self.asked, self.same = world, list(members), [], same

    def members(self, project: str) -> list[Member]:
        self.asked.append(project)
        return list(self.running)

    def retire(self, members: Sequence[Member]) -> None:
        for member in members:
            self.world.effect(f"retire {member.service}", lambda m=member: self.running.remove(m))

    def revive(self, members: Sequence[Member]) -> None:
        for member in members:
            if member not in self.running:
                self.world.effect(f"revive {member.service}", lambda m=member: self.running.append(m))

    def differences(self, project: Any, members: Mapping[str, Member], places: Any) -> dict[str, list[str]]:
        assert (project.directory / "compose.yml").exists()
        return {service: [] if service in self.same else ["image"] for service in members}

    def adopt(self, member: Member, name: str, network: str, names: Sequence[str]) -> None:
        project, service = name.split(".")
        ours = Container(
            f"{project}/{service}", name, service, "running", "healthy", 0, 0, "127.0.0.1", "db:1", project, "db:1"
        )
        self.world.effect(
            f"adopt {name} {network} {','.join(names)}",
            lambda: (self.world.containers.__setitem__(name, ours), self.running.remove(member)),
        )

    def give_back(self, member: Member, network: str) -> None:
        name = f"crm-data.{member.service}"
        self.world.effect(f"give back {member.service}", lambda: self.world.containers.pop(name, None))
        if member not in self.running:
            self.running.append(replace(member, stays=False))

    def lend(self, container: str, network: str, names: Sequence[str]) -> None:
        self.world.effect(f"lend {container} {network} {','.join(names)}", lambda: None)


def member(service: str, **more: Any) -> Member:
    return Member(f"id-{service}", f"old-{service}-1", service, "always", ("old_default",), **more)


OLD = [member(name) for name in ("web", "jobs", "mail", "db", "proxy")]


def adopting(world: World, root: Path, foreign: FakeForeign, **changes: Any) -> Any:
    world.registry = {"web:1", "db:1"}
    run = run_in(world, root, description("1", **changes), adopts="old")
    run.foreign = foreign
    return run


def test_data_moves_and_the_rest_is_left_until_the_edge_has_switched(tmp_path: Path) -> None:
    world = World()
    foreign = FakeForeign(world, OLD)
    releases.release(adopting(world, tmp_path, foreign))
    told = [e for e in world.events if e.split()[0] in ("retire", "lend", "revive", "up", "switch")]
    assert told.index("retire db") < told.index("up crm-data db")
    assert told.index("up crm-data db") < told.index("lend crm-data/db old_default db") < told.index("up crm-blue web")
    # Of what there may be one only, none runs beside another.
    assert told.index("retire jobs") < told.index("up crm-blue jobs")
    assert {m.service for m in foreign.running} == {"web", "mail", "proxy"}
    assert not (tmp_path / "crm/adopted.json").exists()


def test_a_data_service_that_is_what_is_described_runs_on(tmp_path: Path) -> None:
    world = World()
    foreign = FakeForeign(world, OLD, "db")
    rehearsed = plan(adopting(world, tmp_path, foreign)).actions
    assert "Take over db of the project old while they run." in rehearsed
    assert not [told for told in rehearsed if "stateful services" in told]
    releases.release(adopting(world, tmp_path, foreign))
    assert "adopt crm-data.db crm db,crm-db" in world.events
    assert not {"retire db", "up crm-data db"} & set(world.events)
    assert world.containers["crm-data.db"].running
    seen = len(world.events)
    world.registry.add("web:2")
    releases.release(run_in(world, tmp_path, description("2")))
    assert not [told for told in world.events[seen:] if "crm-data" in told], "a release touches no data service"
    world.registry.add("db:2")
    services = {**description("2")["services"], "db": {"image": "db:2", "stateful": True, "health": {"command": ["x"]}}}
    releases.release(run_in(world, tmp_path, description("2", services=services)))
    assert "crm-data.db" not in world.containers, "what is described otherwise is made anew"
    assert world.containers["crm-db"].image.startswith("sluice/crm-db")


def test_a_data_service_that_was_taken_over_is_given_back_when_the_release_fails(tmp_path: Path) -> None:
    world = World()
    foreign = FakeForeign(world, OLD, "db")
    run = adopting(world, tmp_path, foreign)
    world.broken_images = {"web"}
    with pytest.raises(StepError):
        releases.release(run)
    assert {m.service for m in foreign.running} == {m.service for m in OLD}
    assert not world.containers, "nothing of the stack is left"
    assert not {"retire db", "remove crm-data/db"} & set(world.events)


@pytest.mark.parametrize("broken", ["web", "db"])
def test_what_was_stopped_runs_again_when_the_release_fails(tmp_path: Path, broken: str) -> None:
    world = World()
    foreign = FakeForeign(world, OLD)
    run = adopting(world, tmp_path, foreign)
    world.broken_images = {broken}
    with pytest.raises(StepError):
        releases.release(run)
    assert {m.service for m in foreign.running} == {m.service for m in OLD}
    assert not [c for c in world.containers.values() if c.running], "nobody else writes to the data"
    assert any("run as before" in note for note in run.notes)


def test_a_run_that_was_killed_is_put_back_by_the_next(tmp_path: Path) -> None:
    world = World()
    foreign = FakeForeign(world, OLD)
    run = adopting(world, tmp_path, foreign)
    real = foreign.lend

    def killed(*_: Any) -> None:
        raise Killed

    foreign.lend = killed
    with pytest.raises(Killed):
        releases.release(run)
    foreign.lend = real
    assert {m.service for m in foreign.running} == {"web", "jobs", "mail", "proxy"}
    seen = len(world.events)
    releases.release(adopting(world, tmp_path, foreign))
    assert "revive db" in world.events[seen:]
    assert {m.service for m in foreign.running} == {"web", "mail", "proxy"}


def test_a_directory_of_data_is_led_to_where_it_lies(tmp_path: Path) -> None:
    world = World()
    services = description("1")["services"]
    place = f"{tmp_path}/crm/binds/data"
    services["web"] = {**services["web"], "volumes": [f"{place}:/data"], "order": "overlap"}
    here = tmp_path / "checkout/data"
    here.mkdir(parents=True)
    old = [*OLD[1:], member("web", binds=((str(here), "/data"),))]
    run = adopting(world, tmp_path, FakeForeign(world, old), services=services)
    assert f"Lead {place} to {here}, where the project's data lies." in plan(run).actions
    assert not Path(place).exists(), "a plan changes nothing"
    releases.release(run)
    assert Path(place).resolve() == here


def test_names_that_are_taken_are_told_before_anything_stops(tmp_path: Path) -> None:
    world = World()
    foreign = FakeForeign(world, [Member("id", "crm-db", "db", "always")])
    with pytest.raises(StepError, match="crm-db"):
        releases.release(adopting(world, tmp_path, foreign))
    assert [m.name for m in foreign.running] == ["crm-db"]


def test_a_release_after_it_touches_nothing_of_another_project(tmp_path: Path) -> None:
    world = World()
    releases.release(adopting(world, tmp_path, FakeForeign(world, OLD)))
    again = FakeForeign(world, OLD)
    world.registry.add("web:2")
    run = run_in(world, tmp_path, description("2"), adopts="old")
    run.foreign = again
    releases.release(run)
    assert again.running == OLD
