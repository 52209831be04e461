"""Backups: whole or not at all, verified before they are used, expired by count and age."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.release import backup
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.plugins.module_utils.release.run import Run, StepError
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    FakeEngine,
    World,
    description,
    run_in,
)

DAY = 86400.0


def test_expiry_keeps_the_newest_and_the_young() -> None:
    backups = [(str(n), n * DAY) for n in range(10)]
    assert sorted(backup.to_expire(backups, keep=2, days=4, now=10 * DAY)) == ["0", "1", "2", "3", "4", "5"]
    assert backup.to_expire(backups, keep=20, days=0, now=10 * DAY) == []
    assert "9" not in backup.to_expire(backups, keep=0, days=0, now=10 * DAY)


class Engine(FakeEngine):
    """A database whose dump is a text, and a volume in a directory."""

    data = b"PGDMP rows"
    volume: Path
    stumbles = 0

    def execute(self, container, command, **streams):  # type: ignore[no-untyped-def]
        if self.stumbles:
            self.stumbles -= 1
            if "stdout" in streams:
                streams["stdout"].write(b"OCI runtime exec failed: unable to start container process\r\n")
            return 128
        if "pg_dump" in command[-1]:
            streams["stdout"].write(self.data)
        elif "pg_restore --file" in command[-1] and b"rows" not in streams["stdin"].read():
            streams["stderr"].write(b"pg_restore: error: could not read from input file: end of file\n")
            return 1
        return 0

    def volume_path(self, name: str) -> Path | None:
        return self.volume if name == "crm_files" else None


@pytest.fixture
def run(tmp_path: Path) -> Run:
    world = World()
    described = description("1")
    described["services"]["db"]["backup"] = "postgres"
    described["services"]["web"] = {**described["services"]["web"], "volumes": ["files:/files"]}
    for reference in ("web:1", "db:1"):
        FakeEngine(world).add_image(reference)
    release(run_in(world, tmp_path / "state", described))
    run = run_in(world, tmp_path / "state", described)
    run.engine = engine = Engine(world)
    engine.volume = tmp_path / "volumes" / "_data"
    engine.volume.mkdir(parents=True)
    (engine.volume / "upload").write_text("before")
    return run


def test_a_backup_holds_database_and_volume(run: Run) -> None:
    place = backup.back_up(run)
    assert sorted(p.name for p in place.iterdir()) == ["db.pgdump", "files.tar.gz", "manifest.json"]
    assert {oct(p.stat().st_mode & 0o777) for p in place.iterdir()} == {"0o600"}
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest["files"]["db.pgdump"]["bytes"] == 10


def test_a_command_that_the_engine_did_not_start_is_started_again(run: Run) -> None:
    run.engine.stumbles = 1
    place = backup.back_up(run)
    assert (place / "db.pgdump").read_bytes() == Engine.data
    run.engine.stumbles = 2
    with pytest.raises(StepError, match="cannot be dumped"):
        backup.back_up(run)


def test_a_dump_that_cannot_be_read_leaves_nothing(run: Run) -> None:
    Engine.data = b"PGDMP cut"
    try:
        with pytest.raises(StepError, match=r"the database cannot be dumped: .*end of file"):
            backup.back_up(run)
    finally:
        Engine.data = b"PGDMP rows"
    assert list(run.state.backups.iterdir()) == []


def test_a_volume_comes_back_and_the_app_serves_again(run: Run) -> None:
    place = backup.back_up(run)
    upload = run.engine.volume / "upload"  # type: ignore[attr-defined]
    upload.write_text("after")
    (upload.parent / "later").write_text("x")
    backup.restore_from(run)
    assert upload.read_text() == "before"
    assert not (upload.parent / "later").exists()
    world = run.edge.world  # type: ignore[attr-defined]
    assert world.edge == "blue"
    assert all(c.running for c in world.containers.values())
    assert len(list(run.state.backups.iterdir())) == 2, "the state before the restore is dumped as well"
    assert place.exists()


def test_a_volume_whose_exchange_was_cut_short_comes_back(run: Run) -> None:
    volume = run.engine.volume  # type: ignore[attr-defined]
    backup.back_up(run)
    volume.rename(volume.with_name(".sluice-replaced"))
    backup.restore_from(run)
    assert (volume / "upload").read_text() == "before"
    assert [p.name for p in volume.parent.iterdir()] == ["_data"]


@pytest.mark.parametrize("damage", ["truncated", "empty", "missing", "no manifest"])
def test_a_damaged_backup_is_refused_and_nothing_is_touched(run: Run, damage: str) -> None:
    place = backup.back_up(run)
    dump = place / "db.pgdump"
    if damage == "truncated":
        dump.write_bytes(dump.read_bytes()[:-3])
    elif damage == "empty":
        dump.write_bytes(b"")
    elif damage == "missing":
        dump.unlink()
    else:
        (place / "manifest.json").unlink()
    world = run.edge.world  # type: ignore[attr-defined]
    before = world.effects
    with pytest.raises(StepError, match=r"damaged or cut off|is missing|has no manifest"):
        backup.restore_from(run)
    assert world.effects == before


def test_names_of_backups(run: Run) -> None:
    with pytest.raises(StepError, match="there is no backup"):
        backup.restore_from(run)
    backup.back_up(run)
    with pytest.raises(StepError, match="'1999' names 0 backups"):
        backup.restore_from(run, "1999")
