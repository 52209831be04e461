"""Backups and the way back from them, with real PostgreSQL and files."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ssh://debian13"]
STATE = "/var/lib/sluice/stacks/crm"

DAMAGES = (
    "truncate -s -100 {dump}",
    "truncate -s 0 {dump}",
    "dd if=/dev/urandom of={dump} bs=64 count=1 seek=20 conv=notrunc",
)

# Puts the dump of another database, one that cannot be restored, in a backup's place, digest and all.
FORGE = """
import gzip, hashlib, json, pathlib, subprocess, sys
place = pathlib.Path(sys.argv[1])
run = ["docker", "exec", "crm-postgres"]
sql = (
    "CREATE TABLE z (n int); INSERT INTO z VALUES (1);"
    "CREATE FUNCTION known(n int) RETURNS bool LANGUAGE sql AS 'SELECT EXISTS (SELECT 1 FROM public.z WHERE z.n = $1)';"
    "CREATE TABLE a (n int CHECK (known(n))); INSERT INTO a VALUES (1)"
)
subprocess.run([*run, "createdb", "-U", "twenty", "broken"], check=True)
subprocess.run([*run, "psql", "-U", "twenty", "-d", "broken", "-c", sql], check=True)
data = gzip.compress(subprocess.check_output([*run, "pg_dump", "-U", "twenty", "-d", "broken"]))
subprocess.run([*run, "dropdb", "-U", "twenty", "broken"], check=True)
(place / "postgres.database-twenty.sql.gz").write_bytes(data)
manifest = json.loads((place / "manifest.json").read_text())
manifest["files"]["postgres.database-twenty.sql.gz"] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
(place / "manifest.json").write_text(json.dumps(manifest))
"""


@pytest.fixture
def sql(host):
    """Run a statement in the app's database."""

    def run(statement: str) -> str:
        return host.check_output("docker exec crm-postgres psql -U twenty -d twenty -Atc %s", statement)

    return run


@pytest.fixture
def upload(host, standing):
    """A file of the app's volume."""
    place = host.check_output("docker volume inspect --format '{{.Mountpoint}}' crm_storage")
    return f"{place}/upload.txt"


@pytest.fixture
def fill_disk(host):
    """The stack's directory lies on a small file system of its own; fill it up to so many kilobytes."""
    host.check_output(
        "mkdir -p /mnt/small && mount -t tmpfs -o size=64m,mode=755 tmpfs /mnt/small"
        " && cp -a /var/lib/sluice/stacks/. /mnt/small && mount --bind /mnt/small /var/lib/sluice/stacks"
    )

    def fill(kilobytes: int) -> None:
        free = int(host.check_output("stat --file-system --format %a /mnt/small")) * 4 - kilobytes
        host.check_output(f"dd if=/dev/zero of=/mnt/small/filler bs=1K count={free} status=none")

    yield fill
    host.check_output("umount /var/lib/sluice/stacks && umount /mnt/small")


def newest(host) -> str:
    return host.check_output(f"ls -d {STATE}/backups/[0-9]* | tail -n 1")


def test_a_restore_brings_back_what_was_deleted(host, play, whole, sql, upload, standing):
    sql("CREATE TABLE IF NOT EXISTS keepsake (word text); TRUNCATE keepsake; INSERT INTO keepsake VALUES ('kept')")
    host.check_output(f"echo kept > {upload} && chown 1000 {upload}")
    played = play.well(state="backup", demo_version=standing.here)
    assert "changed=1" in played.output
    assert set(host.check_output(f"ls {newest(host)}").split()) == {
        "manifest.json",
        "postgres.database-twenty.sql.gz",
        "postgres.roles.sql.gz",
        "sessions.tar.gz",
        "storage.tar.gz",
    }
    assert set(host.check_output(f"stat -c %a {newest(host)}/*").split()) == {"600"}
    name = newest(host).rpartition("/")[2]
    sql("DROP TABLE keepsake; CREATE TABLE later (word text)")
    host.check_output(f"rm {upload}")
    played = play.well(state="restore", compose_stack_backup=name, demo_version=standing.here)
    print(f"restore: {played.seconds:.1f} s")
    assert sql("SELECT word FROM keepsake") == "kept"
    assert sql("SELECT count(*) FROM pg_tables WHERE tablename = 'later'") == "0"
    assert host.check_output(f"cat {upload} && stat -c %u {upload}").split() == ["kept", "1000"]
    whole(standing.here)


@pytest.mark.long
def test_a_damaged_dump_is_refused_and_the_database_untouched(host, play, whole, sql, standing):
    sql("CREATE TABLE IF NOT EXISTS keepsake (word text); TRUNCATE keepsake; INSERT INTO keepsake VALUES ('live')")
    play.well(state="backup")
    good = newest(host)
    started = host.check_output("docker inspect --format '{{.State.StartedAt}}' crm-postgres")
    for damage in DAMAGES:
        host.check_output(f"cp -a {good} {STATE}/backups/99991231T000000Z")
        host.check_output(damage.format(dump=f"{STATE}/backups/99991231T000000Z/postgres.database-twenty.sql.gz"))
        played = play(state="restore")
        host.check_output(f"rm -r {STATE}/backups/99991231T000000Z")
        assert played.status != 0
        assert "damaged or cut off" in played.output
    assert sql("SELECT word FROM keepsake") == "live"
    assert host.check_output("docker inspect --format '{{.State.StartedAt}}' crm-postgres") == started
    whole(standing.here)


def test_a_dump_that_does_not_restore_is_refused_by_the_scratch_container(host, play, whole, standing):
    """Its digest is right and it can be read to the end, yet its rows break its own rules while they load."""
    play.well(state="backup")
    place = newest(host)
    host.check_output("python3 -c %s %s", FORGE, place)
    played = play(state="restore", compose_stack_backup=place.rpartition("/")[2])
    host.check_output(f"rm -r {place}")
    assert played.status != 0
    assert "does not restore into a scratch container" in played.output
    whole(standing.here)


def test_a_release_with_a_migration_is_preceded_by_a_dump(host, play, standing):
    before = int(host.check_output(f"ls {STATE}/backups | wc -l"))
    play.well(demo_version=standing.there)
    assert int(host.check_output(f"ls {STATE}/backups | wc -l")) == before + 1
    assert "-before-" in newest(host)


@pytest.mark.long
@pytest.mark.parametrize(
    ("kilobytes", "said"),
    [
        # Less than compose_stack_minimum_free, however little that is.
        (0, ("gate disk failed", "Make room")),
        (24, ("failed at step write", "No space left on device")),
        (2000, ("failed at step dump", "No space left on device")),
    ],
    ids=["nothing", "a little", "less than a dump"],
)
def test_a_full_disk_ends_a_release_and_not_the_service(host, play, whole, sql, standing, fill_disk, kilobytes, said):
    # Hardly compressible, so that the dump is larger than what is left.
    sql(
        "CREATE TABLE bulk AS SELECT sha256(n::text::bytea) || sha256(n::text::bytea) AS x FROM generate_series(1, 80000) n"
    )
    try:
        fill_disk(kilobytes)
        # One that no test has released yet, so that all of its files are new.
        fresh = {"front": {"env": {"ROOM": f"{kilobytes} kB"}}}
        played = play(demo_version=standing.there, demo_changes=fresh, compose_stack_minimum_free="1kB")
        whole(standing.here)
    finally:
        sql("DROP TABLE bulk")
        host.check_output("rm /mnt/small/filler")
    assert played.status != 0
    for text in (*said, "Next: "):
        assert text.lower() in played.output.lower()
    assert "Traceback" not in played.output
    play.well(demo_version=standing.here)
    whole(standing.here)
