"""From the first backup to a server that comes back from nothing; each test leaves the stack serving for the next."""

from __future__ import annotations

import json
import re

import pytest
from conftest import REPORTS, STATE

testinfra_hosts = ["ssh://debian13"]
PACKS = "find /data/crm/data -type f -size +2k"


def records(host) -> list[dict]:
    return [json.loads(line) for line in host.check_output(f"cat {STATE}/backups.jsonl").splitlines()]


def serves(host) -> bool:
    states = host.check_output("docker ps --format '{{.Names}} {{.State}}'").splitlines()
    return {"crm-blue-web running", "crm-postgres running", "crm-mariadb running", "crm-redis running"} <= set(states)


@pytest.fixture
def repository(server):
    """A command in the repository's container, by its server's own engine."""
    import subprocess

    name = server("name", "restic")
    return lambda script: subprocess.check_output(["docker", "exec", name, "sh", "-c", script], text=True)


def test_a_backup_while_everything_is_written_comes_back_as_a_state_that_existed(
    host, play, written, whole, sql, reports
):
    sql("postgres", REPORTS)
    made_so = reports(host)
    assert made_so[0] == "7" and len(made_so) == 4, made_so
    host.check_output("sleep 3")
    done = play("backup", "-vvv")
    assert done.returncode == 0, done.stdout[-3000:]
    made = records(host)[-1]
    assert (made["trouble"], made["places"]) == ("", ["local", "repository"])
    asked, lost = written()
    assert asked > 50 and lost == 0, (asked, lost)
    before = {kind: whole(kind) for kind in ("postgres", "mariadb", "sqlite")}
    counted = int(host.check_output("docker exec crm-redis redis-cli GET written"))
    host.check_output("docker exec crm-redis redis-cli DEL written")
    sql("postgres", "DROP TABLE child; CREATE ROLE later; DROP DATABASE reports; DROP ROLE reports")
    sql("mariadb", "DROP TABLE child")
    host.check_output(f"rm -r {STATE}/backups/*")

    done = play("restore", "-vvv")
    assert done.returncode == 0, done.stdout[-3000:]
    assert serves(host)
    for kind, rows in before.items():
        assert whole(kind) > 0 or kind == "sqlite"
        assert whole(kind) <= rows or kind == "sqlite", "the app writes on"
    assert 0 < int(host.check_output("docker exec crm-redis redis-cli GET written")) <= counted
    assert reports(host) == made_so
    with pytest.raises(AssertionError):
        reports(host, "another-password")
    # Files were read after the database: what a row speaks of is there.
    volume = host.check_output("docker volume inspect --format '{{.Mountpoint}}' crm_files")
    assert host.check_output(f"stat -c '%u' {volume} {volume}/app.db").split() == ["1000", "1000"]


def test_a_proof_counts_what_a_backup_holds(host, play):
    assert play("backup").returncode == 0
    done = play("backup", "--tags", "prove")
    assert done.returncode == 0, done.stdout[-3000:]
    made, proved = records(host)[-2:]
    assert (proved["operation"], proved["name"]) == ("prove", made["name"])
    assert proved["rows"] >= made["rows"] > 50
    assert host.run("docker inspect crm-restore-scratch").rc != 0
    assert not host.file(f"{STATE}/proof").exists


def test_timers_do_the_same_by_themselves(host):
    timers = host.check_output("systemctl list-unit-files 'sluice-*-crm.timer' --no-legend")
    assert re.findall(r"sluice-(\w+)-crm", timers) == ["backup", "check", "prove", "prune"]
    assert host.check_output("stat -c %a /var/lib/sluice/stacks/crm/backup.json") == "600"
    before = len(records(host))
    for operation in ("backup", "check", "prove", "prune"):
        host.check_output(f"systemctl start sluice-{operation}-crm.service")
    assert [r["operation"] for r in records(host)[before:]] == ["backup", "check", "prove", "prune"]
    logged = host.check_output("journalctl --unit 'sluice-*-crm.service' --no-pager")
    assert "planted" not in logged


def test_a_backup_that_is_killed_leaves_the_last_good_one_and_the_next_is_made(host):
    good = records(host)[-1]
    host.check_output("systemctl start --no-block sluice-backup-crm.service")
    host.check_output("for _ in $(seq 100); do pgrep -x restic >/dev/null && break; sleep 0.1; done")
    host.check_output("sleep 1; systemctl kill --signal=KILL sluice-backup-crm.service")
    host.check_output("while systemctl is-active --quiet sluice-backup-crm.service; do sleep 0.2; done")
    assert serves(host)
    host.check_output("systemctl reset-failed sluice-backup-crm.service; systemctl start sluice-backup-crm.service")
    assert records(host)[-1]["trouble"] == "" and records(host)[-1] != good


@pytest.mark.long
def test_data_that_the_app_does_not_work_with_makes_room_again_for_what_it_replaced(host, play, whole, sql):
    """The app comes up unhealthy on the restored data, and writes to it meanwhile."""
    volume = host.check_output("docker volume inspect --format '{{.Mountpoint}}' crm_files")
    host.check_output(f"touch {volume}/refuse; systemctl start sluice-backup-crm.service; rm {volume}/refuse")
    host.check_output(f"echo later >{volume}/later; docker exec crm-redis redis-cli SET word later")
    for kind in ("postgres", "mariadb"):
        sql(kind, "CREATE TABLE later (n int); INSERT INTO later VALUES (1)")
    rows = {kind: whole(kind) for kind in ("postgres", "mariadb", "sqlite")}

    done = play("restore")
    assert done.returncode != 0, done.stdout[-3000:]
    # Ansible breaks its lines.
    said = " ".join(done.stdout.split())
    for words in (
        "The restore failed at step start: service web",
        "GET / on port 8000 gives status 503",
        "serves as before.",
        "The data is what it was before the restore.",
    ):
        assert words in said, (words, done.stdout[-3000:])
    assert host.check_output(f"cat {volume}/later; ls {volume}/refuse 2>&1 || true").startswith("later\nls: cannot")
    assert host.check_output("docker exec crm-redis redis-cli GET word") == "later"
    for kind, before in rows.items():
        assert whole(kind) >= before
        assert kind == "sqlite" or sql(kind, "SELECT n FROM later; DROP TABLE later").strip() == "1"
    assert serves(host)
    assert not host.file(f"{STATE}/restore.json").exists
    assert host.check_output(f"ls -A {volume}/..").split() == ["_data"]
    address = host.check_output(
        "docker inspect --format '{{(index .NetworkSettings.Networks \"crm\").IPAddress}}' crm-blue-web"
    )
    assert host.check_output(f"curl --silent --fail http://{address}:8000/") == "ok"
    host.check_output(f"rm {volume}/later; docker exec crm-redis redis-cli DEL word")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"backup_password": "another-password"}, "the password does not open the repository"),
        ({"compose_stack_backup_repository": "rest:http://127.0.0.1:9/crm"}, "the repository does not answer"),
    ],
)
def test_trouble_with_the_repository_is_one_message_and_the_server_s_own_backup_is_made(host, play, settings, said):
    done = play("backup", **settings)
    assert done.returncode != 0 and said in done.stdout, done.stdout[-3000:]
    assert "Traceback" not in done.stdout and "lies on the server alone" in done.stdout
    assert records(host)[-1]["trouble"].startswith(said)
    assert serves(host)


def test_a_database_that_refuses_the_dump_is_told(host, play, sql):
    kept = host.check_output(f"ls {STATE}/backups").split()
    sql("postgres", "CREATE TABLE torn (n int); INSERT INTO torn VALUES (1)")
    place = sql("postgres", "SELECT pg_relation_filepath('torn')").strip()
    sql("postgres", "CHECKPOINT")
    host.check_output(f"docker exec crm-postgres sh -c 'cp $PGDATA/{place} /tmp/torn; : >$PGDATA/{place}.x;"
                      f" rm $PGDATA/{place}'")  # fmt: skip
    host.check_output("docker restart --time 5 crm-postgres; sleep 2")
    done = play("backup")
    host.check_output(
        f"docker exec crm-postgres sh -c 'cp -p /tmp/torn $PGDATA/{place}; chown postgres $PGDATA/{place}'"
    )
    sql("postgres", "DROP TABLE torn")
    assert done.returncode != 0 and "service postgres: database crm cannot be dumped" in done.stdout, done.stdout[
        -2000:
    ]
    assert host.check_output(f"ls {STATE}/backups").split() == kept
    assert serves(host)


def test_a_bare_server_comes_back_from_the_repository(host, play, reports):
    import testinfra

    done = play("backup")
    assert done.returncode == 0, done.stdout[-3000:]
    made = records(host)[-1]
    done = play("recover", "-vvv", "--skip-tags", "nginx_certbot", limit="mirrored")
    assert done.returncode == 0, done.stdout[-4000:]
    config = host.backend.ssh_config
    there = testinfra.get_host("ssh://mirrored", ssh_config=config)
    count = "docker exec crm-postgres psql -U crm -Atc 'SELECT count(*) FROM parent'"
    assert there.check_output(count) == host.check_output(count)
    assert int(there.check_output("docker exec crm-redis redis-cli GET written")) > 0
    assert reports(there) == reports(host)
    assert serves(there)
    assert made["name"] in done.stdout
    # A server that serves is not overwritten by mistake.
    again = play("recover", "--skip-tags", "nginx_certbot,docker_host", limit="mirrored")
    assert again.returncode != 0 and "serves here already" in again.stdout


def test_a_damaged_repository_is_noticed_by_check_and_proof(host, play, repository):
    assert play("backup").returncode == 0
    repository(f"for f in $({PACKS}); do dd if=/dev/urandom of=$f bs=64 count=1 seek=4 conv=notrunc status=none; done")
    for operation in ("check", "prove"):
        assert host.run(f"systemctl start sluice-{operation}-crm.service").rc != 0
        assert records(host)[-1]["trouble"], operation
    assert "repository is damaged" in records(host)[-2]["trouble"]
    assert serves(host)
