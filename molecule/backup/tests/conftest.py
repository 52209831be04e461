"""The collection's playbooks against the scenario's servers, and four databases that are written to meanwhile."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import time

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[3]
SCENARIO = PROJECT / "molecule/backup"
STATE = "/var/lib/sluice/stacks/crm"
MARIADB = 'MYSQL_PWD=$(cat "$MARIADB_ROOT_PASSWORD_FILE") exec mariadb --user=root --batch --skip-column-names shop'
SQL = {
    "postgres": "docker exec -i crm-postgres psql --username crm --no-align --tuples-only --quiet",
    "mariadb": f"docker exec -i crm-mariadb sh -c '{MARIADB}'",
    "sqlite": 'python3 -c \'import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute("BEGIN");'
    ' [print("|".join(map(str, r))) for s in sys.stdin.read().split(";") for r in c.execute(s)]\' {volume}/app.db',
}
# Each ends by itself: what runs inside a container outlives who started it there.
SECONDS = 25
WRITERS = (
    f"docker exec -i crm-postgres timeout {SECONDS} psql --username crm --quiet <<'E'\n"
    "WITH p AS (INSERT INTO parent DEFAULT VALUES RETURNING id) INSERT INTO child SELECT id FROM p \\watch 0.05\nE",
    f"docker exec -i crm-mariadb sh -c '{MARIADB}' <<'E'\nCALL writing();\nE",
    f"docker exec crm-redis timeout {SECONDS} redis-cli -r -1 -i 0.05 INCR written",
)
# A second database of a second role, with what a server knows of a database beside what is in it.
REPORTS = """
CREATE ROLE reports LOGIN PASSWORD 'planted-reports-password';
CREATE DATABASE reports OWNER reports;
REVOKE CONNECT ON DATABASE reports FROM PUBLIC;
ALTER DATABASE reports SET search_path TO books, public;
ALTER ROLE crm IN DATABASE reports SET statement_timeout TO '70s';
\\connect reports
SET ROLE reports;
CREATE SCHEMA books;
CREATE TABLE books.sold (n int);
INSERT INTO books.sold SELECT generate_series(1, 7);
"""
OF_REPORTS = (
    "SELECT datacl FROM pg_database WHERE datname = 'reports'; SELECT rolname, setconfig FROM pg_db_role_setting s"
    " JOIN pg_database d ON d.oid = setdatabase LEFT JOIN pg_roles r ON r.oid = setrole WHERE datname = 'reports' ORDER BY 1"
)
ASKING = """
import http.client, sys, time
lost = asked = 0
end = time.time() + float(sys.argv[2])
while time.time() < end:
    asked += 1
    try:
        there = http.client.HTTPConnection(sys.argv[1], 8000, timeout=5)
        there.request("GET", "/")
        lost += there.getresponse().status != 200
    except OSError:
        lost += 1
    time.sleep(0.05)
print(asked, lost)
"""


@pytest.fixture(scope="session")
def play():
    """Plays one of the collection's playbooks; status and all that was printed."""

    def run(playbook: str, *arguments: str, limit: str = "debian13", **settings) -> subprocess.CompletedProcess[str]:
        argv = ["ansible-playbook", "-i", PROJECT / "molecule/inventory", "-i", SCENARIO / "files/inventory.yml"]
        argv += ["--limit", limit, "--extra-vars", f"@{SCENARIO}/vars/stack.yml", "--extra-vars", json.dumps(settings)]
        begin = time.monotonic()
        done = subprocess.run(
            [*argv, *arguments, PROJECT / f"playbooks/{playbook}.yml"],
            cwd=PROJECT,
            env={**os.environ, "ANSIBLE_PIPELINING": "true"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        print(f"{playbook} {' '.join(arguments)}: {time.monotonic() - begin:.1f} s")
        assert "planted" not in done.stdout, [line for line in done.stdout.splitlines() if "planted" in line][:3]
        return done

    return run


@pytest.fixture
def sql(host):
    """Statements for one of the databases; what it answers."""

    def run(kind: str, statements: str) -> str:
        volume = host.check_output("docker volume inspect --format '{{.Mountpoint}}' crm_files")
        return host.check_output("printf '%%s' %s | " + SQL[kind].replace("{volume}", volume), statements)

    return run


@pytest.fixture
def whole(sql):
    """Asserts that a database is in a state that existed: no row without those before it; answers how many rows."""

    def check(kind: str) -> int:
        told = sql(
            kind,
            "SELECT count(*) FROM parent; SELECT count(*) FROM child; SELECT max(id) FROM parent;"
            " SELECT max(id) FROM child; SELECT count(*) FROM child WHERE id NOT IN (SELECT id FROM parent)",
        )
        parents, children, newest, newest_child, orphans = map(int, told.split())
        assert parents == children == newest == newest_child and orphans == 0, (kind, told.split())
        return parents

    return check


@pytest.fixture(scope="session")
def reports():
    """What a server's second database holds, for its own role over the network, and how the server knows it."""

    def told(host, password: str = "planted-reports-password") -> list[str]:
        ask = (
            f"docker exec --env PGPASSWORD={password} crm-postgres psql --host crm-postgres --username reports -Atc %s"
        )
        count = host.check_output(ask, "SELECT count(*) FROM sold")
        return [count, *host.check_output("printf '%%s' %s | " + SQL["postgres"], OF_REPORTS).splitlines()]

    return told


@pytest.fixture
def written(host, sql):
    """Rows are written every 50 ms for a while, and the app is asked; call it when that has ended, for (asked, lost)."""
    sql("postgres", "CREATE TABLE IF NOT EXISTS parent (id serial PRIMARY KEY);"
        "CREATE TABLE IF NOT EXISTS child (id int PRIMARY KEY REFERENCES parent (id))")  # fmt: skip
    sql("mariadb", "CREATE TABLE IF NOT EXISTS parent (id int PRIMARY KEY AUTO_INCREMENT);"
        "CREATE TABLE IF NOT EXISTS child (id int PRIMARY KEY, FOREIGN KEY (id) REFERENCES parent (id));"
        "\nDELIMITER //\nCREATE OR REPLACE PROCEDURE writing() BEGIN DECLARE stop DATETIME DEFAULT NOW() + INTERVAL 25 SECOND;"
        "WHILE NOW() < stop DO START TRANSACTION;"
        "INSERT INTO parent VALUES (NULL); INSERT INTO child VALUES (LAST_INSERT_ID()); COMMIT; DO SLEEP(0.05);"
        "END WHILE; END //\n")  # fmt: skip
    for number, script in enumerate(WRITERS):
        host.check_output("systemd-run --quiet --unit %s sh -c %s", f"writer{number}", script)
    address = host.check_output(
        "docker inspect --format '{{(index .NetworkSettings.Networks \"crm\").IPAddress}}' crm-blue-web"
    )
    host.check_output(
        "systemd-run --quiet --unit asking sh -c %s", f"python3 -c '{ASKING}' {address} {SECONDS} >/run/asked"
    )

    def ended() -> tuple[int, int]:
        host.check_output("while systemctl is-active --quiet asking writer0 writer1 writer2; do sleep 0.2; done")
        asked, lost = map(int, host.check_output("cat /run/asked").split())
        return asked, lost

    return ended
