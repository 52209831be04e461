"""Backups: whole or not at all, verified before they are used, expired by count and age."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import StepError
from ansible_collections.sluice.deploy.plugins.module_utils.release import (
    archives,
    backup,
    dumps,
    restore,
    streams,
    warm,
)
from ansible_collections.sluice.deploy.plugins.module_utils.release.module import failure
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.plugins.module_utils.release.run import Run
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Volume
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    FakeEngine,
    Killed,
    World,
    description,
    run_in,
)

DAY = 86400.0
ROWS = b"COPY public.t (n) FROM stdin;\n1\n2\n\\.\n"
END = b"-- PostgreSQL database dump complete\n"


def test_expiry_keeps_the_newest_and_the_young() -> None:
    backups = [(str(n), n * DAY) for n in range(10)]
    assert sorted(backup.to_expire(backups, keep=2, days=4, now=10 * DAY)) == ["0", "1", "2", "3", "4", "5"]
    assert backup.to_expire(backups, keep=20, days=0, now=10 * DAY) == []
    assert "9" not in backup.to_expire(backups, keep=0, days=0, now=10 * DAY)


class Engine(FakeEngine):
    """A database whose dump is a text, and a volume in a directory."""

    data = ROWS + END
    volume: Path
    stumbles = 0

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.loaded: list[bytes] = []

    def execute(self, container, command, **streams):  # type: ignore[no-untyped-def]
        if self.stumbles:
            self.stumbles -= 1
            if "stdout" in streams:
                streams["stdout"].write(b"OCI runtime exec failed: unable to start container process\r\n")
            return 128
        script = command[2]
        answers = {
            "SHOW server_version": b"17.1\n",
            "pg_dumpall": b"CREATE ROLE crm;\nCREATE DATABASE crm OWNER crm;\n",
            "pg_dump ": self.data,
            "datallowconn AND NOT datistemplate AND datname NOT": b"crm\n",
            "count(*) FROM ONLY": b"public.t\t2\n",
        }
        for words, answer in answers.items():
            if words in script and "stdout" in streams:
                streams["stdout"].write(answer)
                return 0
        if "single-transaction" in script or "pg_restore" in script:
            self.loaded.append(streams["stdin"].read())
        return 0

    def volume_path(self, name: str) -> Path | None:
        if name == "crm_more" and self.volume.with_name("more").exists():
            return self.volume.with_name("more") / "_data"
        return self.volume if name == "crm_files" else None


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(warm, "schedule", lambda *arguments: True)
    monkeypatch.setattr(warm, "unschedule", lambda *arguments: None)
    world = World()
    described = description("1")
    described["services"]["db"]["backup"] = "postgres"
    described["services"]["web"] = {**described["services"]["web"], "volumes": ["files:/files", "more:/more"]}
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
    assert sorted(p.name for p in place.iterdir()) == [
        "db.database-crm.sql.gz",
        "db.roles.sql.gz",
        "files.tar.gz",
        "manifest.json",
    ]
    assert {oct(p.stat().st_mode & 0o777) for p in place.iterdir()} == {"0o600"}
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest["databases"] == {"db": {"kind": "postgres", "version": "17.1", "rows": {"crm.public.t": 2}}}
    assert manifest["volumes"] == {"files": {"copied": "live"}}
    assert gzip.decompress((place / "db.database-crm.sql.gz").read_bytes()) == Engine.data


def test_extended_attributes_come_back(run: Run, tmp_path: Path) -> None:
    source, archive = tmp_path / "source", tmp_path / "x.tar.gz"
    source.mkdir()
    (source / "file").write_text("x")
    try:
        os.setxattr(source / "file", "user.kind", b"picture")
    except OSError:
        pytest.skip("this file system keeps none")
    archives.write(run, source, archive, live=False)
    archives.unpack(run, [archive], tmp_path / "back")
    assert os.getxattr(tmp_path / "back" / "file", "user.kind") == b"picture"


def test_a_backup_has_reached_the_disk_before_it_counts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: set[str] = set()
    rename = Path.rename

    def renamed(self: Path, target: Path) -> Path:
        if self.name.startswith(".partial"):
            assert {path.name for path in self.iterdir()} <= synced | {"manifest.json"}
        return rename(self, target)

    monkeypatch.setattr("os.fsync", lambda descriptor: synced.add(Path(f"/proc/self/fd/{descriptor}").readlink().name))
    monkeypatch.setattr(Path, "rename", renamed)
    assert len(list(backup.back_up(run).iterdir())) > 2


def test_a_command_that_the_engine_did_not_start_is_started_again(run: Run) -> None:
    run.engine.stumbles = 1
    place = backup.back_up(run)
    assert gzip.decompress((place / "db.database-crm.sql.gz").read_bytes()) == Engine.data


def test_a_dump_that_ends_early_leaves_nothing_and_the_last_good_backup(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = backup.back_up(run)
    monkeypatch.setattr(Engine, "data", ROWS)
    with pytest.raises(StepError, match="service db: the dump ends early"):
        backup.back_up(run)
    assert list(run.state.backups.iterdir()) == [good]


def test_a_database_that_refuses_is_told_and_leaves_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self, container, command, **streams):  # type: ignore[no-untyped-def]
        streams["stderr"].write(b"pg_dump: error: no memory, password a-long-token-value\n")
        return 1

    monkeypatch.setattr(Engine, "execute", refuse)
    with pytest.raises(StepError, match=r"service db: .*no memory") as raised:
        backup.back_up(run)
    assert "a-long-token" not in str(raised.value)
    assert list(run.state.backups.iterdir()) == []


def test_a_disk_that_fills_up_under_a_dump_leaves_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Any, block: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(streams.Compressed, "write", full)
    with pytest.raises(OSError, match="No space left"):
        backup.back_up(run)
    assert list(run.state.backups.iterdir()) == []


def test_a_backup_of_version_0_1_restores(run: Run) -> None:
    place = run.state.backups / "20250102T030405Z"
    place.mkdir()
    (place / "db.pgdump").write_bytes(b"PGDMP old")
    files = backup.digests([place / "db.pgdump"])
    (place / "manifest.json").write_text(json.dumps({"at": 1.0, "release": "r", "full": True, "files": files}))
    assert restore.restore_from(run) == place.name
    engine: Engine = run.engine  # type: ignore[assignment]
    assert engine.loaded.count(b"PGDMP old") == 3, "read to its end, proved, restored"


def test_rows_that_a_proof_does_not_find_are_told_before_anything_is_touched(run: Run) -> None:
    place = backup.back_up(run)
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["databases"]["db"]["rows"] = {"crm.public.t": 3}
    (place / "manifest.json").write_text(json.dumps(manifest))
    before = run.edge.world.effects  # type: ignore[attr-defined]
    with pytest.raises(StepError, match=r"service db: crm\.public\.t has 2 where 3 rows were backed up"):
        restore.restore_from(run)
    assert run.edge.world.effects == before  # type: ignore[attr-defined]


def test_a_volume_comes_back_and_the_app_serves_again(run: Run) -> None:
    place = backup.back_up(run)
    upload = run.engine.volume / "upload"  # type: ignore[attr-defined]
    upload.write_text("after")
    (upload.parent / "later").write_text("x")
    restore.restore_from(run)
    assert upload.read_text() == "before"
    assert not (upload.parent / "later").exists()
    world = run.edge.world  # type: ignore[attr-defined]
    assert world.edge == "blue"
    assert all(c.running for c in world.containers.values())
    assert len(list(run.state.backups.iterdir())) == 2, "the state before the restore is dumped as well"
    assert place.exists()


def test_directories_around_an_sqlite_database_come_back_as_the_app_s_own(run: Run) -> None:
    volume = run.engine.volume_path("crm_files")
    assert volume
    inner = volume / "var/db"
    inner.mkdir(parents=True)
    for directory, mode in ((volume, 0o755), (volume / "var", 0o2770), (inner, 0o751)):
        os.chown(directory, os.getuid(), 12 if os.getuid() == 0 else os.getgid())
        directory.chmod(mode)
    with closing(sqlite3.connect(inner / "app.db")) as app:
        app.execute("CREATE TABLE t (n int)")

    def ways() -> list[tuple[int, int]]:
        return [(p.stat().st_mode, p.stat().st_gid) for p in (volume, volume / "var", inner, inner / "app.db")]

    before = ways()
    backup.back_up(run)
    restore.restore_from(run)
    assert ways() == before


def test_directories_of_the_server_come_back_each_in_its_place(run: Run, tmp_path: Path) -> None:
    places = [tmp_path / "data/one", tmp_path / "data/two"]
    for place in places:
        place.mkdir(parents=True)
        (place / "file").write_text(place.name)
    web = run.description["services"]["web"]
    web["volumes"] = [{"source": str(p), "path": f"/{p.name}", "backup": True} for p in places]
    run.stack = parse_stack(run.description)
    backup.back_up(run)
    for place in places:
        (place / "file").write_text("lost")
    restore.restore_from(run)
    assert [(place / "file").read_text() for place in places] == ["one", "two"]
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["one", "two"]


def test_a_volume_whose_exchange_was_cut_short_comes_back(run: Run) -> None:
    volume = run.engine.volume  # type: ignore[attr-defined]
    backup.back_up(run)
    volume.rename(volume.with_name(".sluice-replaced"))
    restore.restore_from(run)
    assert (volume / "upload").read_text() == "before"
    assert [p.name for p in volume.parent.iterdir()] == ["_data"]


@pytest.mark.parametrize("damage", ["truncated", "empty", "missing", "no manifest"])
def test_a_damaged_backup_is_refused_and_nothing_is_touched(run: Run, damage: str) -> None:
    place = backup.back_up(run)
    dump = place / "db.database-crm.sql.gz"
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
        restore.restore_from(run)
    assert world.effects == before


def test_names_of_backups(run: Run) -> None:
    with pytest.raises(StepError, match="there is no backup"):
        restore.restore_from(run)
    backup.back_up(run)
    with pytest.raises(StepError, match="'1999' names 0 backups"):
        restore.restore_from(run, "1999")


def test_restore_takes_the_newest_that_holds_everything(run: Run) -> None:
    full = backup.back_up(run)
    alone = backup.dump_databases(run, "before-x")
    assert alone is not None
    assert (backup.is_full(full), backup.is_full(alone)) == (True, False)
    assert restore.restore_from(run) == full.name
    assert restore.restore_from(run, alone.name) == alone.name
    shutil.rmtree(full)
    with pytest.raises(StepError, match="no backup on the server holds everything"):
        restore.restore_from(run)


def test_expiry_spares_the_last_full_backup() -> None:
    backups = [(str(n), n * DAY) for n in range(10)]
    assert backup.to_expire(backups, keep=2, days=1, now=50 * DAY, full={"0", "1"}) == [
        "7",
        "6",
        "5",
        "4",
        "3",
        "2",
        "0",
    ]


def test_a_manifest_that_was_cut_off_expires_nothing_and_is_refused(run: Run) -> None:
    place = backup.back_up(run)
    (place / "manifest.json").write_text('{"at": 1')
    backup.dump_databases(run, "x")
    with pytest.raises(StepError, match=r"manifest\.json is damaged or cut off"):
        restore.restore_from(run, place.name)


@pytest.mark.parametrize(
    ("script", "live", "trouble"),
    [
        ("kill -9 $$", True, "tar was ended by signal 9"),
        ("echo 'tar: x: file changed as we read it' >&2; exit 1", False, "file changed"),
        ("echo 'tar: x: Cannot open: Permission denied' >&2; exit 1", True, "Permission denied"),
        ("exit 1", True, "tar ended with status 1"),
        ("exit 0", True, "cannot be read"),
        ("exec sleep 9", True, "tar did not end within"),
    ],
)
def test_an_archive_counts_only_when_it_is_whole(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, live: bool, trouble: str
) -> None:
    (tmp_path / "tar").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "tar").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if "sleep" in script:
        monkeypatch.setattr(archives, "_TIMEOUT", 0.5)
    with pytest.raises(StepError, match=trouble):
        archives.write(run, tmp_path, tmp_path / "x.tar.gz", live)


def test_a_live_volume_s_file_may_change_and_a_cut_archive_is_seen(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.which("tar")
    (tmp_path / "tar").write_text(f"#!/bin/sh\n{real} \"$@\"\necho 'tar: x: file changed as we read it' >&2; exit 1\n")
    (tmp_path / "tar").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    archive, source = tmp_path / "x.tar.gz", run.engine.volume  # type: ignore[attr-defined]
    archives.write(run, source, archive, live=True)
    archive.write_bytes(archive.read_bytes()[:-4])
    with pytest.raises(StepError, match="cannot be read"):
        archives.read_back(archive)


@pytest.mark.parametrize(
    ("image", "wish", "state"), [("a/clickhouse-server:24", "", "paused"), ("x", "stop", "exited")]
)
def test_what_has_no_dump_rests_while_its_files_are_read(
    run: Run, monkeypatch: pytest.MonkeyPatch, image: str, wish: str, state: str
) -> None:
    db = replace(run.stack.services["db"], image=image, backup=wish, volumes=(Volume("files", "/data"),))
    run.stack = replace(run.stack, services={**run.stack.services, "db": db})
    world: World = run.edge.world  # type: ignore[attr-defined]
    seen, woken = [], []
    monkeypatch.setattr(warm, "schedule", lambda unit, seconds, script: woken.append((unit, script)))
    monkeypatch.setattr(warm, "unschedule", lambda unit: woken.append((unit, world.containers["crm-db"].state)))
    monkeypatch.setattr(
        archives, "write", lambda *a: seen.append((world.containers["crm-db"].state, a[3])) or a[2].touch()
    )
    place = backup.back_up(run)
    assert seen == [(state, False)]
    assert json.loads((place / "manifest.json").read_text())["volumes"]["files"]["copied"] in ("paused", "stopped")
    assert world.containers["crm-db"].state == "running"
    # Was the run killed, systemd would have waited for its lock, and woken what rests.
    (unit, script), (ended, then) = woken
    way = "unpause" if state == "paused" else "start"
    assert script == f"exec flock {run.state.lock_file} /bin/sh -c 'docker {way} crm-data/db'"
    assert (unit, ended, then) == ("sluice-wake-crm", "sluice-wake-crm", "running")


def second_volume(run: Run) -> tuple[Path, Path]:
    first: Path = run.engine.volume  # type: ignore[attr-defined]
    second = first.with_name("more") / "_data"
    second.mkdir(parents=True)
    (second / "upload").write_text("before")
    return first / "upload", second / "upload"


def test_an_exchange_that_fails_puts_everything_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = second_volume(run)
    backup.back_up(run)
    for upload in uploads:
        upload.write_text("after")
    swapped: list[str] = []

    def swap(run: Run, service: Any, parts: Any, manifest: dict[str, Any]) -> None:
        swapped.append(manifest["full"])
        if len(swapped) == 1:
            raise StepError("the database cannot be restored: out of memory")

    monkeypatch.setattr(dumps, "restore", swap)
    with pytest.raises(StepError, match="out of memory"):
        restore.restore_from(run)
    assert [u.read_text() for u in uploads] == ["after", "after"]
    assert swapped == [True, False], "the way back is the dump of before the restore"
    assert run.notes[-1] == "The data is what it was before the restore."
    world: World = run.edge.world  # type: ignore[attr-defined]
    assert world.edge == "blue"
    assert all(c.running for c in world.containers.values())


def test_data_that_the_app_does_not_work_with_makes_room_again_for_what_it_replaced(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = run.engine.volume / "upload"  # type: ignore[attr-defined]
    world: World = run.edge.world  # type: ignore[attr-defined]
    backup.back_up(run)
    upload.write_text("after")
    start = Engine._start_one

    def picky(engine: Engine, project: Any, service: str, described: Any, name: str) -> None:
        start(engine, project, service, described, name)
        if service == "web" and upload.read_text() == "before":
            world.containers[name] = replace(world.containers[name], health="unhealthy")

    monkeypatch.setattr(Engine, "_start_one", picky)
    with pytest.raises(StepError, match="service web is unhealthy") as caught:
        restore.restore_from(run)
    assert upload.read_text() == "after"
    assert (world.edge, list(upload.parent.parent.iterdir())) == ("blue", [upload.parent])
    assert {(c.state, c.health) for c in world.containers.values()} == {("running", "healthy")}
    said = failure(run, caught.value, "restore")
    assert "serves as before." in said
    assert "The data is what it was before the restore." in said


def test_killed_at_any_moment_of_a_restore_the_next_run_has_all_or_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = second_volume(run)
    place = backup.back_up(run)
    world: World = run.edge.world  # type: ignore[attr-defined]
    rename = Path.rename

    def moment(self: Path, target: Path) -> Any:
        # Counted apart: what a run does to the files of volumes is a moment to die at, too.
        return world.effect(f"rename {self.name}", lambda: rename(self, target))

    monkeypatch.setattr(Path, "rename", moment)
    killed = 0
    while True:
        killed += 1
        for upload in uploads:
            upload.write_text("after")
        world.kill_at = world.effects + killed
        try:
            restore.restore_from(run, place.name)
            break
        except Killed:
            pass
        again = run_in(world, run.state.directory.parent, run.description)
        again.engine = run.engine
        release(again)
        contents = {u.read_text() for u in uploads}
        assert len(contents) == 1, f"moment {killed}: {world.events[-20:]}"
        assert world.edge == "blue"
        assert all(c.running for c in world.containers.values())
        assert not (run.state.directory / "restore.json").exists()
        world.kill_at = None
    assert killed > 15
    assert {u.read_text() for u in uploads} == {"before"}


@pytest.mark.parametrize("content", ["", '{"volumes": ["/var', '{"exchanged": []}', "[]"])
def test_a_note_of_a_restore_that_says_nothing_is_told(run: Run, content: str) -> None:
    run.state.restore_note.write_text(content)
    with pytest.raises(StepError, match=r"restore\.json is (empty or cut off.*move the file away|of a form)"):
        restore.recover(run)
    assert run.state.restore_note.exists()
