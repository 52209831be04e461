"""The end of a stack: what is left, what stays, and that it can be begun anew at any point."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import StepError, UserError
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.plugins.module_utils.release.remove import Removed, remove
from ansible_collections.sluice.deploy.plugins.module_utils.stack.directory import StackState
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    FakeEdge,
    FakeEngine,
    Killed,
    World,
    description,
    run_in,
)


def released(root: Path) -> World:
    world = World()
    for reference in ("web:1", "db:1"):
        FakeEngine(world).add_image(reference)
    described = description("1")
    described["services"]["db"]["volumes"] = ["db:/data"]
    release(run_in(world, root, described))
    backups = root / "crm" / "backups" / "20260102T030405Z"
    backups.mkdir()
    # A stack beside it, whose name begins the same.
    (root / "crm-eu").mkdir()
    FakeEngine(world).add_image("sluice/crm-eu-web:0123456789ab")
    world.volumes |= {"crm-eu_db", "other"}
    world.networks |= {"crm-eu"}
    world.judge_service = False
    world.edge = None
    return world


def taken(world: World, root: Path, data: bool = False, check: bool = False) -> Removed:
    return remove(FakeEngine(world), FakeEdge(world), StackState(str(root), "crm"), "crm", data, check)


@pytest.mark.parametrize("data", [False, True])
def test_nothing_is_left_that_is_not_data(tmp_path: Path, data: bool) -> None:
    world = released(tmp_path)
    done = taken(world, tmp_path, data)
    assert world.containers == {}
    assert not [tag for tag in world.images if tag.startswith("sluice/crm-") and "crm-eu" not in tag]
    assert "sluice/crm-eu-web:0123456789ab" in world.images
    assert "crm" not in world.networks and "crm-eu" in world.networks
    assert ("crm_db" in world.volumes) is not data
    assert {"crm-eu_db", "other"} <= world.volumes
    place = tmp_path / "crm"
    left = sorted(str(p.relative_to(place)) for p in place.rglob("*") if p.is_file()) if place.exists() else None
    if data:
        assert (left, done.kept) == (None, [])
    else:
        # What tells which data it is, for a stack that comes back.
        assert left == ["data/compose.yml", "data/release.json", "key"]
        assert done.kept == ["volume crm_db", f"1 backups in {place}/backups"]
    again = taken(world, tmp_path, data)
    assert (again.removed, again.kept) == ([], done.kept)


@pytest.mark.parametrize("data", [False, True])
def test_check_mode_says_the_same_and_changes_nothing(tmp_path: Path, data: bool) -> None:
    world = released(tmp_path)
    before = world.effects
    # Taking it off the edge is rehearsed beside it.
    world.edge = "blue"
    said = taken(world, tmp_path, data, check=True)
    assert world.effects == before
    world.edge = None
    assert said == taken(world, tmp_path, data)


def test_killed_at_any_moment_the_next_run_completes_it(tmp_path: Path) -> None:
    moment = 0
    while True:
        moment += 1
        root = tmp_path / str(moment)
        world = released(root)
        world.kill_at = world.effects + moment
        try:
            taken(world, root, data=True)
            break
        except Killed:
            pass
        taken(world, root, data=True)
        assert world.containers == {} and "crm_db" not in world.volumes and not (root / "crm").exists()
    assert moment > 10


def test_a_stack_that_gets_requests_is_not_removed(tmp_path: Path) -> None:
    world = released(tmp_path)
    world.edge = "blue"
    before = world.effects
    with pytest.raises(UserError, match="still sends requests to crm"):
        taken(world, tmp_path, data=True)
    assert world.effects == before


def test_a_stack_that_comes_back_is_held_against_its_data(tmp_path: Path) -> None:
    world = released(tmp_path)
    described = description("1")
    described["services"]["db"] |= {"volumes": ["db:/data"], "image": "postgres:16"}
    for version in ("16", "17"):
        FakeEngine(world).add_image(f"postgres:{version}")
    release(run_in(world, tmp_path, described))
    world.edge = None
    taken(world, tmp_path)
    described["services"]["db"]["image"] = "postgres:17"
    with pytest.raises(StepError, match="postgres 17 does not read"):
        release(run_in(world, tmp_path, described))
    described["services"]["db"]["image"] = "postgres:16"
    assert release(run_in(world, tmp_path, described)).changed


def test_a_first_release_that_never_served_is_started_over(tmp_path: Path) -> None:
    world = World()
    for reference in ("web:1", "db:1"):
        FakeEngine(world).add_image(reference)
    world.hook_status = 1
    described = description("1")
    described["services"]["db"]["volumes"] = ["db:/data"]
    with pytest.raises(StepError):
        release(run_in(world, tmp_path, described))
    taken(world, tmp_path, data=True)
    assert world.volumes == set() and not (tmp_path / "crm").exists()
