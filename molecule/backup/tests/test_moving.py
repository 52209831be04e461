"""A stack moves to another server while the old one is still there, by way of each kind of store."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import testinfra
from conftest import PROJECT, SQL
from waiting import eventually

testinfra_hosts = ["ssh://debian13"]
EDGE = {
    "compose_stack_edge_switch": ["/usr/local/lib/sluice/edge-switch"],
    "nginx_certbot_certificate": "self_signed",
    "nginx_certbot_image": "local/sluice-nginx:forky",
}
STORES = {
    "sftp": {"compose_stack_backup_repository": "sftp:root@vault:/srv/crm"},
    "s3": {
        "compose_stack_backup_repository": "s3:http://s3.internal:9000/kept/crm",
        "compose_stack_backup_environment": {
            "AWS_ACCESS_KEY_ID": "planted-key-id",
            "AWS_SECRET_ACCESS_KEY": "planted-s3-key",
        },
    },
}
IMAGES = ("nginx:forky", "postgres:17", "redis:8", "mariadb:11", "backup-app:1")
ROWS = "SELECT count(*) FROM parent; SELECT count(*) FROM child; SELECT max(id) FROM parent"
TABLES = (
    "CREATE TABLE IF NOT EXISTS parent (id int PRIMARY KEY);"
    "CREATE TABLE IF NOT EXISTS child (id int PRIMARY KEY, FOREIGN KEY (id) REFERENCES parent (id));"
    "INSERT INTO parent SELECT COALESCE(max(id), 0) + 1 FROM parent; INSERT INTO child SELECT max(id) FROM parent"
)
TRUSTED = """
set -eu
test -f /root/.ssh/id_ed25519 || ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
for _ in $(seq 50); do ssh-keyscan -t ed25519 vault >/root/.ssh/known_hosts 2>/dev/null && break; sleep 0.2; done
cat /root/.ssh/id_ed25519.pub
"""


def load(server: Path, name: str) -> None:
    """The images that a registry would give."""
    saved = " ".join(f"local/sluice-{image}" for image in IMAGES)
    command = f"docker save {saved} | {server} ssh {name} docker load --quiet"
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True)


@pytest.fixture(params=STORES)
def store(request, host, server):
    """Settings of a store that both servers may write to; the second server is bare."""
    server("reset", "mirrored")
    there = testinfra.get_host("ssh://mirrored", ssh_config=server("config"))
    if request.param == "sftp":
        server("up", "vault", "trixie")
        vault = testinfra.get_host("ssh://vault", ssh_config=server("config"))
        for one in (host, there):
            vault.check_output("printf '%%s\\n' %s >>/root/.ssh/authorized_keys", one.check_output(TRUSTED))
    else:
        server("serve", "s3", str(PROJECT / "molecule/backup/s3"))
    yield STORES[request.param]
    server("down", "vault" if request.param == "sftp" else "s3")


def rows(on, kind: str) -> list[int]:
    volume = on.check_output("docker volume inspect --format '{{.Mountpoint}}' crm_files")
    told = on.check_output("printf '%%s' %s | " + SQL[kind].replace("{volume}", volume), ROWS)
    return [int(number) for number in told.split()]


def status(on) -> str:
    asked = "curl -sk -o /dev/null -w '%{http_code}' --resolve crm.example.com:443:127.0.0.1 https://crm.example.com/"
    return on.check_output(asked)


@pytest.mark.long
def test_a_stack_moves_and_nothing_that_was_written_stays_behind(host, play, server, store, sql):
    settings = {**EDGE, **store}
    subprocess.run([PROJECT / "demo/images/edge/build", "nginx:forky"], check=True)
    load(PROJECT / "tools/server", "debian13")
    done = play("site", "--tags", "docker_host,nginx_certbot,compose_stack", **settings)
    assert done.returncode == 0, done.stdout[-3000:]
    assert status(host) == "200"
    for kind in ("postgres", "mariadb"):
        sql(kind, TABLES)
    host.check_output("docker exec crm-redis redis-cli INCR written")
    done = play("site", "--tags", "docker_host", limit="mirrored", **settings)
    assert done.returncode == 0, done.stdout[-3000:]
    load(PROJECT / "tools/server", "mirrored")

    nowhere = {**settings, "compose_stack_backup_repository": "rest:http://127.0.0.1:9/crm"}
    done = play("recover", limit="debian13,mirrored", recover_from="debian13", **nowhere)
    assert done.returncode != 0 and "nothing has moved" in done.stdout, done.stdout[-3000:]
    assert status(host) == "200"

    done = play("recover", "-vvv", limit="debian13,mirrored", recover_from="debian13", **settings)
    assert done.returncode == 0, done.stdout[-4000:]
    there = testinfra.get_host("ssh://mirrored", ssh_config=server("config"))
    assert (status(host), status(there)) == ("503", "200")
    for kind in ("postgres", "mariadb"):
        assert rows(there, kind) == rows(host, kind)
    # The app writes on, at its new place.
    old, new = rows(host, "sqlite"), rows(there, "sqlite")
    assert new[0] == new[2] > old[0] == old[1] == old[2] > 0, (old, new)
    counters = [on.check_output("docker exec crm-redis redis-cli GET written") for on in (host, there)]
    assert counters[0] == counters[1]

    # The server that rests brings no older state into the repository, and wakes again.
    host.check_output("systemctl start sluice-backup-crm.service")
    assert "is at rest" in host.check_output("journalctl --unit sluice-backup-crm.service --lines 5 --no-pager")
    done = play("start", **settings)
    assert done.returncode == 0, done.stdout[-3000:]
    eventually(lambda: status(host) == "200", 30)
