"""Kinds of databases: which one a service is, rows counted in passing, SQLite copied while it is written."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.databases import kinds, sha2, sqlite
from ansible_collections.sluice.deploy.plugins.module_utils.databases.mongodb import MongoDB
from ansible_collections.sluice.deploy.plugins.module_utils.databases.mysql import MariaDB, MySQL
from ansible_collections.sluice.deploy.plugins.module_utils.databases.rows import Begun, Copied, Inserted, missing
from ansible_collections.sluice.deploy.plugins.module_utils.errors import StepError
from ansible_collections.sluice.deploy.plugins.module_utils.release.passwords import password_of
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Secret, Service, Volume
from ansible_collections.sluice.deploy.plugins.module_utils.stack.model import BACKUPS

DATA = (Volume("data", "/data"),)


@pytest.mark.parametrize(
    ("image", "backup", "volumes", "kind", "held"),
    [
        ("postgres:16.4-alpine", "", DATA, "postgres", ""),
        ("registry.example.com:5000/base/mariadb:11@sha256:aa", "", DATA, "mysql", ""),
        ("valkey/valkey:8", "", DATA, "redis", ""),
        ("bitnami/postgresql", "", DATA, "postgres", ""),
        ("redis:8", "", (), None, ""),
        ("redis:8", "redis", (), "redis", ""),
        ("postgres:16", "none", DATA, None, ""),
        ("postgres:16", "stop", DATA, None, "stop"),
        ("mine:1", "mongodb", DATA, "mongodb", ""),
        ("clickhouse/clickhouse-server:24", "", DATA, None, "pause"),
        ("prom/postgres-exporter", "", DATA, None, ""),
    ],
)
def test_a_kind_is_told_by_the_image_and_by_the_setting(
    image: str, backup: str, volumes: tuple[Volume, ...], kind: str | None, held: str
) -> None:
    service = Service("db", image=image, stateful=True, backup=backup, volumes=volumes)
    found = kinds.kind_of(service)
    assert (found.name if found else None, kinds.held(service)) == (kind, held)


def test_a_service_that_releases_replace_is_no_database() -> None:
    assert kinds.kind_of(Service("db", image="postgres:16", volumes=DATA)) is None


def test_every_name_of_a_backup_is_a_kind_or_a_way_to_copy() -> None:
    assert {name for name in BACKUPS if not kinds.by_name(name)} == {"", "none", "pause", "stop"}


COPIED = b"""\
SELECT 'COPY x FROM stdin;';
COPY public."odd (name" (a, b) FROM stdin;
1\tCOPY public.t (a) FROM stdin;
2\t\\\\.
\\.

COPY public.empty (a) FROM stdin;
\\.

-- PostgreSQL database dump complete
--
"""
INSERTED = rb"""USE `shop`;
INSERT INTO `it``em` VALUES
(1,'a(\'(',0x00FF),
(2,'\\',NULL);
INSERT INTO `one` (`a`) VALUES (1,'x'),(2,');'),(3,NULL);
USE `other`;
INSERT INTO `one` VALUES (1);
-- Dump completed on 2026-01-02
"""


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_rows_are_counted_while_a_dump_flows_by(size: int) -> None:
    copied, inserted = Copied("app"), Inserted()
    for counter, text in ((copied, COPIED), (inserted, INSERTED)):
        for begin in range(0, len(text), size):
            counter.feed(text[begin : begin + size])
        counter.finish()
    assert copied.rows == {'app.public."odd (name"': 2, "app.public.empty": 0}
    assert inserted.rows == {"shop.it`em": 2, "shop.one": 3, "other.one": 1}


@pytest.mark.parametrize(("counter", "text"), [(Copied("a"), COPIED), (Inserted(), INSERTED)])
def test_a_dump_that_ends_early_is_seen(counter: Copied | Inserted, text: bytes) -> None:
    counter.feed(text[: text.rindex(b"-- ")])
    with pytest.raises(StepError, match="ends early"):
        counter.finish()


def test_what_begins_otherwise_is_no_snapshot() -> None:
    counter = Begun(lambda head: head.startswith(b"REDIS"))
    counter.feed(b"-ERR")
    with pytest.raises(StepError, match="another form"):
        counter.finish()


def test_missing_rows_are_told_and_more_are_none() -> None:
    assert missing({"a": 2}, {"a": 3, "b": 1}) == ""
    assert missing({"a": 2, "b": 0}, {"a": 1}) == "a has 1 where 2 rows were backed up, and 1 more tables"


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_sqlite_is_found_by_looking_and_copied_while_it_is_written(tmp_path: Path, mode: str) -> None:
    volume, room = tmp_path / "volume", tmp_path / "room"
    (volume / "deep").mkdir(parents=True)
    (volume / "deep/link.db").symlink_to(volume / "app.data")
    (volume / "text.db").write_text("no database")
    with closing(sqlite3.connect(volume / "app.data")) as app:
        app.execute(f"PRAGMA journal_mode = {mode}")
        app.execute("CREATE TABLE rows (n INTEGER)")
        app.executemany("INSERT INTO rows VALUES (?)", [(n,) for n in range(100)])
        app.commit()
        os.utime(volume / "app.data", (1, 1_000_000))
        app.execute("INSERT INTO rows VALUES (100)")
        assert [str(path) for path in sqlite.find(volume)] == ["app.data"]
        assert sqlite.copy(volume / "app.data", room / "x/app.data") == ""
        app.commit()
    assert sqlite.count(room / "x/app.data") == {"rows": 100}
    assert (room / "x/app.data").stat().st_mtime == 1_000_000
    assert [p.name for p in (room / "x").iterdir()] == ["app.data"]


def test_sqlite_that_is_locked_or_damaged_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_BUSY", 0.1)
    with closing(sqlite3.connect(tmp_path / "app.db")) as app:
        app.execute("CREATE TABLE rows (n TEXT)")
        app.executemany("INSERT INTO rows VALUES (?)", [("x" * 200,) for _ in range(200)])
        app.commit()
        app.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StepError, match=r"app\.db is locked") as raised:
            sqlite.copy(tmp_path / "app.db", tmp_path / "copy")
        assert raised.value.advice == "Give the service that writes it backup: pause."
    with (tmp_path / "app.db").open("r+b") as stream:
        stream.seek(4096 * 3)
        stream.write(b"\xff" * 4096)
    with pytest.raises(StepError, match=r"app\.db is damaged"):
        sqlite.count(tmp_path / "app.db")
    (tmp_path / "junk").write_bytes(b"SQLite format 3\0junk")
    assert "not a database" in sqlite.copy(tmp_path / "junk", tmp_path / "copy2")
    assert not (tmp_path / "copy2").exists()


# What MySQL 9.7 itself made of "oldpass".
OWN = (
    "caching_sha2_password 0x2441243030412437065949354B1107574D3D42297977302E5C564B6746504E4D4F4768422F50704A374E3164"
    "616C414231367A413031397777584D4546636351386C72727138"
)


class Here:
    """A container's shell that is this machine's, and an access to it."""

    def __init__(self, place: Path, environment: dict[str, str]) -> None:
        self.engine: Any = self
        self._environment = {"PATH": f"{place}:/usr/bin:/bin", **environment}

    def execute(self, container: str, command: list[str], **streams: Any) -> int:
        return subprocess.run(command, env=self._environment, check=False, **streams).returncode

    def redact(self, text: str) -> str:
        return text


@pytest.fixture
def client(tmp_path: Path) -> Path:
    """A mariadb client that notes its arguments and what it reads, and answers with a verifier."""
    client = tmp_path / "mariadb"
    client.write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/said\ncat >>{tmp_path}/said\necho "$ANSWER"\nexit "${{STATUS:-0}}"\n'
    )
    client.chmod(0o755)
    return tmp_path


def test_mariadb_takes_a_password_as_what_it_keeps_of_it(client: Path) -> None:
    way = MariaDB.passwords
    assert way.made("password") == "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"
    assert way.matches(way.made("new"), "new") and not way.matches(way.made("new"), "old")
    here: Any = Here(client, {"MARIADB_ROOT_PASSWORD": "rootpw", "MYSQL_USER": "o'n\\e", "ANSWER": way.made("old")})
    assert way.kept(here, "db") == way.made("old")
    way.keep(here, "db", way.made("new"))
    said = (client / "said").read_text()
    assert "WHERE user = 'o\\'n\\\\e' AND host = '%';" in said
    assert f"ALTER USER 'o\\'n\\\\e'@'%' IDENTIFIED BY PASSWORD '{way.made('new')}';\n" in said
    assert "rootpw" not in said


def test_mysql_takes_a_password_as_what_it_keeps_of_it(client: Path) -> None:
    way = MySQL.passwords
    for text in ("short", "nearly thirty-two characters long", "ütf8 pässword" * 8):
        assert sha2.matches(sha2.verifier(text), text) and not sha2.matches(sha2.verifier(text), f"{text}x")
    assert not sha2.matches(sha2.verifier("x")[:-1], "x")
    assert way.matches(OWN, "oldpass") and not way.matches(OWN, "newpass")
    assert way.matches(f"mysql_native_password 0x{MariaDB.passwords.made('old').encode().hex()}", "old")
    here: Any = Here(client, {"MYSQL_ROOT_PASSWORD": "rootpw", "MYSQL_USER": "crm", "ANSWER": OWN})
    assert way.kept(here, "db") == OWN
    made = way.made("new")
    for kept in (made, OWN):
        way.keep(here, "db", kept)
    said = (client / "said").read_text()
    for kept in (made, OWN):
        assert f"ALTER USER 'crm'@'%' IDENTIFIED WITH {kept.replace(' ', ' AS ')};\n" in said
    assert "rootpw" not in said and "new" not in said


@pytest.mark.parametrize("environment", [{}, {"MARIADB_USER": "crm", "STATUS": "1"}])
def test_a_mariadb_that_refuses_is_told(client: Path, environment: dict[str, str]) -> None:
    here: Any = Here(client, environment)
    with pytest.raises(StepError, match="the database does not tell whether its password is current: "):
        MariaDB.passwords.kept(here, "db")
    with pytest.raises(StepError, match="the database's password cannot be changed: "):
        MariaDB.passwords.keep(here, "db", "")


@pytest.mark.parametrize(
    ("image", "root", "changes"),
    [
        ("mariadb:11", "MARIADB_ROOT_PASSWORD_FILE", True),
        # Without root's password nobody can set another's.
        ("mariadb:11", "", False),
        ("mysql:8", "MYSQL_ROOT_PASSWORD", True),
    ],
)
def test_whose_password_a_release_changes(image: str, root: str, changes: bool) -> None:
    names = ["MYSQL_PASSWORD", *([root] if root else [])]
    secrets = tuple(Secret(name.lower(), env=name) for name in names)
    service = Service("db", image=image, stateful=True, volumes=DATA, secrets=secrets)
    found = password_of(service)
    assert (found.variable if found else None) == ("MYSQL_PASSWORD" if changes else None)


MONGO = """#!/bin/sh
case $1 in --archive) ;; *) exit 9 ;; esac
for a in "$@"; do case $a in --config=*) cat "${a#--config=}" >>PLACE/config; stat -c %a "${a#--config=}" >>PLACE/config ;; esac; done
echo "$@" >>PLACE/said
echo "$STDERR" >&2
WORK
exit "${STATUS:-0}"
"""


@pytest.fixture
def mongo(tmp_path: Path) -> Path:
    """The tools of a MongoDB image, which note what they are asked and say what theirs say."""
    for tool, work in (("mongodump", r"printf '\\155\\342\\231\\201rest'"), ("mongorestore", f"cat >>{tmp_path}/read")):
        (tmp_path / tool).write_text(MONGO.replace("PLACE", str(tmp_path)).replace("WORK", work.replace("\\\\", "\\")))
        (tmp_path / tool).chmod(0o755)
    return tmp_path


def test_mongodb_is_dumped_and_restored_by_its_tools(mongo: Path) -> None:
    told = "2026-01-02T03:04:05.000+0000\tdone dumping shop.orders (3 documents)\n\tdone dumping a.b (1 document)"
    environment = {
        "MONGO_INITDB_ROOT_USERNAME": "root",
        "MONGO_INITDB_ROOT_PASSWORD": "it's planted",
        "TMPDIR": str(mongo),
    }
    here: Any = Here(mongo, {**environment, "STDERR": told})
    archive = mongo / "archive"
    assert MongoDB().parts(here, "db") == ["archive"]
    assert MongoDB().dump(here, "db", "archive", lambda: archive.open("wb")) == {"shop.orders": 3, "a.b": 1}
    counter = MongoDB().counter("archive")
    counter.feed(archive.read_bytes())
    counter.finish()
    MongoDB().restore(here, "db", {"archive": lambda: archive.open("rb")})
    assert (mongo / "read").read_bytes() == archive.read_bytes()
    assert (mongo / "config").read_text() == "password: 'it''s planted'\n600\n" * 2
    said = (mongo / "said").read_text()
    assert "planted" not in said and "--archive --drop --stopOnError --config=" in said
    assert not list(mongo.glob("tmp.*")), "the file with the password goes"


@pytest.mark.parametrize(("operation", "said"), [("dump", "cannot be dumped"), ("restore", "cannot be restored")])
def test_a_mongodb_that_refuses_is_told(mongo: Path, operation: str, said: str) -> None:
    here: Any = Here(mongo, {"STATUS": "1", "STDERR": "Failed: error connecting to db server"})
    archive = mongo / "archive"
    archive.write_bytes(b"")
    with pytest.raises(StepError, match=f"{said}: Failed: error connecting"):
        if operation == "dump":
            MongoDB().dump(here, "db", "archive", lambda: archive.open("wb"))
        else:
            MongoDB().restore(here, "db", {"archive": lambda: archive.open("rb")})
