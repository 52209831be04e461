"""When a service works, when it never will, and that a crash is noticed whenever it comes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.release import checks, health
from ansible_collections.sluice.deploy.plugins.module_utils.release.engine import Container, Project
from ansible_collections.sluice.deploy.plugins.module_utils.release.module import failure
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.plugins.module_utils.release.run import Run, StepError
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Health, Service
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    FakeEngine,
    World,
    description,
    run_in,
)

STARTING = Container("1", "crm-blue-web", "web", "running", "starting", 0, 0, "127.0.0.1", "")


@pytest.mark.parametrize(
    ("health_of", "seen", "up_for", "is_ready"),
    [
        (Health(path="/"), STARTING, 0, True),
        (Health(path="/gone"), STARTING, 0, False),
        (Health(path="/gone"), replace(STARTING, health="healthy"), 0, True),
        (Health(path="/", command=("check",)), STARTING, 0, False),
        (Health(path="/"), replace(STARTING, state="created"), 0, False),
        (None, replace(STARTING, health=""), 1.9, False),
        (None, replace(STARTING, health=""), 2, True),
    ],
)
def test_ready(
    monkeypatch: pytest.MonkeyPatch, health_of: Health | None, seen: Container, up_for: float, is_ready: bool
) -> None:
    monkeypatch.setattr(health, "answers", lambda service, asked, container: (asked.path == "/", ""))
    assert health.ready(Service(name="web", port=1, health=health_of), seen, up_for) is is_ready


def test_a_crash_after_its_wait_and_before_the_switch_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs again by then, and so looks well: only its count of restarts tells."""
    world = World()
    for reference in ("web:1", "db:1"):
        FakeEngine(world).add_image(reference)

    def crash_meanwhile(run: Run, project: Project) -> list[object]:
        crashed = world.containers["crm-blue-web"]
        world.containers["crm-blue-web"] = replace(crashed, restarts=1)
        return []

    monkeypatch.setattr(checks, "release_gates", crash_meanwhile)
    with pytest.raises(StepError, match="service web crashed") as caught:
        release(run_in(world, tmp_path, description("1")))
    assert caught.value.step == "gates"
    assert world.edge is None


def test_a_full_disk_does_not_silence_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ansible_collections.sluice.deploy.plugins.module_utils.release.module.write_whole", full)
    run = run_in(World(), tmp_path, description("1"))
    error = StepError("the database cannot be dumped: no space", "pg_dump said so")
    error.step = "dump"
    text = failure(run, error, "release")
    assert text.startswith("The release failed at step dump: the database cannot be dumped: no space.")
    assert "pg_dump said so" in text
    assert "More:" not in text
    assert text.splitlines()[-1].startswith("Next: ")
