"""Images in a repository: what a bare server loads is what a release looks for, and no registry is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import EngineError, StepError, UserError
from ansible_collections.sluice.deploy.plugins.module_utils.release import operations, saved
from ansible_collections.sluice.deploy.plugins.module_utils.release.keeping import keeping
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.plugins.module_utils.release.restore import restore_from
from ansible_collections.sluice.deploy.plugins.module_utils.release.run import Run
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    Killed,
    World,
    run_in,
)
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.test_release_backup import Engine
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.test_release_backup import run as whole  # noqa: F401
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.test_release_repository import (
    snapshots,
    there,  # noqa: F401
)

DIGEST = f"web@sha256:{'a' * 64}"


class Saving(Engine):
    """An engine of which an archive of images is a list of their tags."""

    def save(self, tags: list[str], stream: IO[bytes]) -> None:
        if missing := [tag for tag in tags if not self.image(tag)]:
            raise EngineError(f"No such image: {missing[0]}")
        stream.write("".join(f"{tag} {self.image(tag).id}\n" for tag in tags).encode())  # type: ignore[union-attr]

    def load(self, stream: IO[bytes]) -> None:
        for line in stream.read().decode().splitlines():
            tag, _, number = line.partition(" ")
            image = replace(self.add_image(tag), id=number)
            self.world.effect(f"load {tag}", lambda t=tag, i=image: self.world.images.update({t: i, i.id: i}))


@pytest.fixture
def saving(there: Run) -> Run:  # noqa: F811
    there.settings = replace(there.settings, keeping=replace(there.settings.keeping, images=True, local=False))
    volume = there.engine.volume  # type: ignore[attr-defined]
    there.engine = Saving(there.edge.world)  # type: ignore[attr-defined]
    there.engine.volume = volume
    return there


def another(run: Run, service: str, **changes: Any) -> Run:
    """The next run on the same server, after a change of the inventory."""
    services = run.description["services"]
    described = {**run.description, "services": {**services, service: {**services[service], **changes}}}
    next_run = run_in(run.edge.world, run.state.directory.parent, described)  # type: ignore[attr-defined]
    next_run.engine, next_run.settings = run.engine, run.settings
    return next_run


def bare(run: Run, tmp_path: Path, number: str) -> Run:
    """A server that knows the inventory and the repository alone, and reaches no registry."""
    world = World()
    server = run_in(world, tmp_path / f"bare{number}", run.description)
    server.settings = run.settings
    server.engine = engine = Saving(world)
    engine.volume = tmp_path / f"volumes{number}/_data"
    engine.volume.mkdir(parents=True, exist_ok=True)
    return server


def recover(server: Run) -> None:
    """What playbooks/recover.yml has the server do."""
    saved.load(server)
    release(server)
    restore_from(server, where="repository")


def test_a_bare_server_comes_back_without_a_registry_killed_at_any_moment_and_played_again(
    saving: Run, tmp_path: Path
) -> None:
    operations.perform(saving, "backup")
    kept = snapshots(saving)
    killed, ended = 0, False
    while not ended:
        at = killed + 1
        server = bare(saving, tmp_path, str(at))
        server.edge.world.kill_at = at  # type: ignore[attr-defined]
        try:
            recover(server)
            ended = True
        except Killed:
            killed += 1
            world = server.edge.world  # type: ignore[attr-defined]
            engine, server = server.engine, run_in(world, server.state.directory.parent, server.description)
            server.engine, server.settings = engine, saving.settings
            recover(server)
        world = server.edge.world  # type: ignore[attr-defined]
        assert (server.engine.volume / "upload").read_text() == "before"  # type: ignore[attr-defined]
        assert world.edge and all(
            c.running for c in world.containers.values() if f"/{world.edge}" in c.id or "db" in c.name
        )
        assert not [event for event in world.events if event.startswith("pull")]
        assert snapshots(saving) == kept
    assert killed > 20


def test_an_image_that_is_named_by_a_digest_is_found_again(saving: Run, tmp_path: Path) -> None:
    saving.engine.add_image(DIGEST)  # type: ignore[attr-defined]
    again = another(saving, "web", image=DIGEST)
    release(again)
    operations.perform(again, "backup")
    server = bare(again, tmp_path, "")
    saved.load(server)
    assert server.engine.image(DIGEST) is None
    release(server)
    assert not [event for event in server.edge.world.events if event.startswith("pull")]  # type: ignore[attr-defined]


def test_what_cannot_be_saved_is_told_and_no_backup_is_made(saving: Run) -> None:
    operations.perform(saving, "backup")
    before = snapshots(saving)
    world = saving.edge.world  # type: ignore[attr-defined]
    world.images = {name: image for name, image in world.images.items() if "crm-mail" not in name}
    with pytest.raises(StepError, match="No such image: sluice/crm-mail:"):
        operations.perform(saving, "backup")
    assert snapshots(saving) == before


def test_a_backup_without_images_is_told(saving: Run) -> None:
    saving.settings = replace(saving.settings, keeping=replace(saving.settings.keeping, images=False))
    operations.perform(saving, "backup")
    with pytest.raises(StepError, match="holds no images") as raised:
        saved.load(saving)
    assert "compose_stack_backup_images: false" in raised.value.advice


def test_images_need_a_repository(whole: Run) -> None:  # noqa: F811
    with pytest.raises(UserError, match="compose_stack_backup_images is true and compose_stack_backup_repository is"):
        keeping({"images": True}, whole.stack)


def test_a_restore_tells_that_another_release_served_then(saving: Run) -> None:
    record = operations.perform(saving, "backup")
    former = saving.state.serving().current
    newer = another(saving, "mail", env={"A": "b"})
    release(newer)
    assert not [note for note in newer.notes if "was made while" in note]
    restore_from(newer)
    current = newer.state.serving().current
    assert former and current and former.release != current.release
    assert (
        f"{record['name']} was made while release {former.release} served; {current.release} serves now." in newer.notes
    )
