"""What a rehearsal finds on a server where somebody changed something by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.release.release import plan, release
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    FakeEngine,
    World,
    description,
    run_in,
)


def test_a_plan_tells_what_was_changed_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    world = World()
    for reference in ("web:1", "db:1"):
        FakeEngine(world).add_image(reference)
    release(run_in(world, tmp_path, description("1")))
    world.edge = None
    assert plan(run_in(world, tmp_path, description("1"))).actions == ["Point the edge at blue again."]
    world.edge = "blue"
    run = run_in(world, tmp_path, description("1"))
    run.engine.stop("crm-blue", ["mail"])
    outcome = plan(run_in(world, tmp_path, description("1")))
    assert outcome.changed
    assert "does not run as it was released" in outcome.actions[0]
    assert "Start a release beside" in outcome.actions[-1]
