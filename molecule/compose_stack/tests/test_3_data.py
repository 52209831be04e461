"""Backups and the way back from them, with real PostgreSQL and files."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ssh://debian13"]
STATE = "/var/lib/sluice/stacks/crm"

# Puts the dump of another database, one that cannot be restored, in a backup's place, digest and all.
FORGE = """
import hashlib, json, pathlib, subprocess, sys
place = pathlib.Path(sys.argv[1])
run = ["docker", "exec", "crm-postgres"]
sql = (
    "CREATE TABLE z (n int); INSERT INTO z VALUES (1);"
    "CREATE FUNCTION known(n int) RETURNS bool LANGUAGE sql AS 'SELECT EXISTS (SELECT 1 FROM public.z WHERE z.n = $1)';"
    "CREATE TABLE a (n int CHECK (known(n))); INSERT INTO a VALUES (1)"
)
subprocess.run([*run, "createdb", "-U", "twenty", "broken"], check=True)
subprocess.run([*run, "psql", "-U", "twenty", "-d", "broken", "-c", sql], check=True)
data = subprocess.check_output([*run, "pg_dump", "-Fc", "-U", "twenty", "-d", "broken"])
subprocess.run([*run, "dropdb", "-U", "twenty", "broken"], check=True)
(place / "postgres.pgdump").write_bytes(data)
manifest = json.loads((place / "manifest.json").read_text())
manifest["files"]["postgres.pgdump"] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
(place / "manifest.json").write_text(json.dumps(manifest))
"""


@pytest.fixture
def sql(host):
    """Run a statement in the app's database."""

    def run(statement: str) -> str:
        return host.check_output("docker exec crm-postgres psql -U twenty -d twenty -Atc %s", statement)

    return run


@pytest.fixture
def upload(host):
    """A file of the app's volume."""
    place = host.check_output("docker volume inspect --format '{{.Mountpoint}}' crm_storage")
    return f"{place}/upload.txt"


def newest(host) -> str:
    return host.check_output(f"ls -d {STATE}/backups/[0-9]* | tail -n 1")


def test_a_restore_brings_back_what_was_deleted(host, play, whole, sql, upload, release_one):
    sql("CREATE TABLE IF NOT EXISTS keepsake (word text); TRUNCATE keepsake; INSERT INTO keepsake VALUES ('kept')")
    host.check_output(f"echo kept > {upload} && chown 1000 {upload}")
    played = play.well(compose_stack_state="backed_up")
    assert "changed=1" in played.output
    assert set(host.check_output(f"ls {newest(host)}").split()) == {
        "manifest.json",
        "postgres.pgdump",
        "sessions.tar.gz",
        "storage.tar.gz",
    }
    assert set(host.check_output(f"stat -c %a {newest(host)}/*").split()) == {"600"}
    name = newest(host).rpartition("/")[2]
    sql("DROP TABLE keepsake; CREATE TABLE later (word text)")
    host.check_output(f"rm {upload}")
    played = play.well(compose_stack_state="restored", compose_stack_backup=name)
    print(f"restore: {played.seconds:.1f} s")
    assert sql("SELECT word FROM keepsake") == "kept"
    assert sql("SELECT count(*) FROM pg_tables WHERE tablename = 'later'") == "0"
    assert host.check_output(f"cat {upload} && stat -c %u {upload}").split() == ["kept", "1000"]
    whole("1")


@pytest.mark.parametrize(
    "damage",
    [
        "truncate -s -100 {dump}",
        "truncate -s 0 {dump}",
        "dd if=/dev/urandom of={dump} bs=64 count=1 seek=20 conv=notrunc",
    ],
)
def test_a_damaged_dump_is_refused_and_the_database_untouched(host, play, whole, sql, release_one, damage):
    sql("CREATE TABLE IF NOT EXISTS keepsake (word text); TRUNCATE keepsake; INSERT INTO keepsake VALUES ('live')")
    play.well(compose_stack_state="backed_up")
    started = host.check_output("docker inspect --format '{{.State.StartedAt}}' crm-postgres")
    host.check_output(damage.format(dump=f"{newest(host)}/postgres.pgdump"))
    played = play(compose_stack_state="restored", compose_stack_backup=newest(host).rpartition("/")[2])
    host.check_output(f"rm -r {newest(host)}")
    assert played.status != 0
    assert "damaged or cut off" in played.output
    assert sql("SELECT word FROM keepsake") == "live"
    assert host.check_output("docker inspect --format '{{.State.StartedAt}}' crm-postgres") == started
    whole("1")


def test_a_dump_that_does_not_restore_is_refused_by_the_scratch_container(host, play, whole, release_one):
    """Its digest is right and it can be read to the end, yet its rows break its own rules while they load."""
    play.well(compose_stack_state="backed_up")
    place = newest(host)
    host.check_output("python3 -c %s %s", FORGE, place)
    played = play(compose_stack_state="restored", compose_stack_backup=place.rpartition("/")[2])
    host.check_output(f"rm -r {place}")
    assert played.status != 0
    assert "does not restore into a scratch container" in played.output
    whole("1")


def test_a_release_with_a_migration_is_preceded_by_a_dump(host, play, release_one):
    before = int(host.check_output(f"ls {STATE}/backups | wc -l"))
    play.well(demo_version="2")
    assert int(host.check_output(f"ls {STATE}/backups | wc -l")) == before + 1
    assert "-before-" in newest(host)
    play.well()
