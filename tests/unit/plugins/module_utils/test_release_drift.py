"""What a rehearsal finds on a server where somebody changed something by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.release.engine import Project
from ansible_collections.sluice.deploy.plugins.module_utils.release.plan import plan
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    FakeEngine,
    World,
    description,
    run_in,
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """One in which the first release serves."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    world = World()
    for reference in ("web:1", "db:1"):
        FakeEngine(world).add_image(reference)
    release(run_in(world, tmp_path, description("1")))
    return world


def test_a_plan_tells_of_an_edge_that_was_pointed_elsewhere(world: World, tmp_path: Path) -> None:
    world.edge = None
    assert plan(run_in(world, tmp_path, description("1"))).actions == ["Point the edge at blue again."]


def stop(world: World, name: str) -> None:
    change(world, name, state="exited", health="")


def change(world: World, name: str, **how: Any) -> None:
    world.containers[name] = replace(world.containers[name], **how)


@pytest.mark.parametrize(
    ("by_hand", "how"),
    [
        (
            lambda w: stop(w, "crm-blue-mail"),
            "mail of crm-blue does not run as it was released: crm-blue-mail is exited.",
        ),
        (
            lambda w: w.containers.pop("crm-blue-mail"),
            "mail of crm-blue does not run as it was released: no container of it is there.",
        ),
        (
            lambda w: change(w, "crm-blue-web", image="sha256:other", reference="web:fixed"),
            "web of crm-blue does not run as it was released: crm-blue-web runs another image (web:fixed).",
        ),
        (
            lambda w: change(w, "crm-blue-web2", config_hash="other"),
            "web2 of crm-blue does not run as it was released: crm-blue-web2 was made anew with other settings.",
        ),
        (
            lambda w: change(w, "crm-blue-web2", granted='{"Memory": 67108864}'),
            "web2 of crm-blue does not run as it was released: crm-blue-web2 has other limits or another restart policy.",
        ),
    ],
)
def test_a_container_changed_by_hand_is_told_and_mended(
    world: World, tmp_path: Path, by_hand: Callable[[World], None], how: str
) -> None:
    by_hand(world)
    outcome = plan(run_in(world, tmp_path, description("1")))
    assert outcome.changed and outcome.actions[0] == f"Service {how}"
    assert "Start a release beside" in outcome.actions[-1]
    mended = release(run_in(world, tmp_path, description("1")))
    assert mended.actions[0] == f"Service {how}" and mended.actions.count(mended.actions[0]) == 1
    assert mended.colour == world.edge == "green" and not world.unserved
    again = plan(run_in(world, tmp_path, description("1")))
    assert not again.changed and not again.actions


def test_a_data_service_changed_by_hand_is_told_and_mended(world: World, tmp_path: Path) -> None:
    change(world, "crm-db", config_hash="other")
    outcome = plan(run_in(world, tmp_path, description("1")))
    assert "Service db of crm-data does not run as it was released: crm-db was made anew with other settings." in (
        outcome.actions
    )
    assert "Start or change the stateful services: db." in outcome.actions
    release(run_in(world, tmp_path, description("1")))
    assert not plan(run_in(world, tmp_path, description("1"))).changed


def test_what_a_data_service_was_granted_by_hand_is_taken_back(world: World, tmp_path: Path) -> None:
    again: list[Sequence[str]] = []
    up = FakeEngine.up

    def noting(self: FakeEngine, project: Project, services: Sequence[str], anew: bool = False) -> None:
        if anew:
            again.append(services)
            change(world, "crm-db", granted="")
        up(self, project, services)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeEngine, "up", noting)
        change(world, "crm-db", granted='{"Memory": 67108864}')
        told = plan(run_in(world, tmp_path, description("1"))).actions
        assert "Service db of crm-data does not run as it was released: crm-db has other limits" in told[0]
        release(run_in(world, tmp_path, description("1")))
    assert again == [["db"]]
    assert not plan(run_in(world, tmp_path, description("1"))).changed


def test_of_what_an_older_version_started_only_what_runs_is_told(world: World, tmp_path: Path) -> None:
    for note in tmp_path.rglob(".containers.json"):
        note.unlink()
    change(world, "crm-blue-web", config_hash="other")
    assert not plan(run_in(world, tmp_path, description("1"))).changed


def test_one_replica_of_several_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    world, described = World(), description("1")
    described["services"]["mail"]["replicas"] = 2
    for reference in ("web:1", "db:1"):
        FakeEngine(world).add_image(reference)
    release(run_in(world, tmp_path, described))
    stop(world, "crm-blue-mail-2")
    assert plan(run_in(world, tmp_path, described)).actions[0].endswith(": 1 of 2 run; crm-blue-mail-2 is exited.")
