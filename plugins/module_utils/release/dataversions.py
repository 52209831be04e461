# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which database an image holds, of which version, and whether that reads what another wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

# What the official images say of themselves, whatever they are named and built on.
_TELLING = {
    "PG_MAJOR": "postgres",
    "MARIADB_VERSION": "mariadb",
    "MYSQL_VERSION": "mysql",
    "MYSQL_MAJOR": "mysql",
    "PERCONA_VERSION": "mysql",
    "MONGO_VERSION": "mongo",
    "MONGO_MAJOR": "mongo",
    "VALKEY_VERSION": "valkey",
    "REDIS_VERSION": "redis",
}
_NAMES = {
    "postgres": "postgres", "postgresql": "postgres", "postgis": "postgres", "pgvector": "postgres",
    "timescaledb": "postgres", "mysql": "mysql", "percona": "mysql", "mariadb": "mariadb", "mongo": "mongo",
    "mongodb": "mongo", "redis": "redis", "valkey": "valkey",
}  # fmt: skip
_BOUND_TO_MAJOR = ("postgres", "mysql", "mariadb", "mongo")
# Valkey left Redis after this version, and reads no later file of it.
_LAST_COMMON = (7, 2)
Version = tuple[int, ...]


class Database(NamedTuple):
    """A kind of database and as much of its version as is known; `Database("", ())` for nothing known."""

    kind: str = ""
    version: Version = ()

    def __str__(self) -> str:
        return " ".join((self.kind, ".".join(map(str, self.version))))


def database(reference: str, environment: Iterable[str] = ()) -> Database:
    """What an image holds: by its own environment, else by its name and tag."""
    told = dict(entry.partition("=")[::2] for entry in environment)
    for variable, kind in _TELLING.items():
        # Packages' versions may begin with an epoch: 1:11.8.2+maria~deb12.
        if found := _version(told.get(variable, "").rpartition(":")[2]):
            return Database(kind, found)
    name, _, tag = reference.partition("@")[0].rpartition("/")[2].partition(":")
    kind = next((_NAMES[word] for word in (name, *name.split("-")[::-1]) if word in _NAMES), "")
    found = _version(tag)
    if kind == "postgres" and (base := re.search(r"(?:^|-)pg(\d+)", tag)):
        found = (int(base[1]),)
    return Database(kind, found) if kind and found else Database()


def reads(new: Database, old: Database) -> bool:
    """Whether a database starts on the files that another left; what is not known is not held against it."""
    if not new.kind or not old.kind:
        return True
    if new.kind != old.kind:
        return (old.kind, new.kind) == ("redis", "valkey") and old.version[:2] <= _LAST_COMMON
    if new.kind in _BOUND_TO_MAJOR and _major(new) != _major(old):
        return False
    if new.kind == "postgres":
        return True
    # The form of the files changes with the first two numbers; where only one is known, that decides.
    known = min(len(new.version), len(old.version), 2)
    return new.version[:known] >= old.version[:known]


def _major(found: Database) -> Version:
    # PostgreSQL 9.5 and 9.6 were major versions.
    old_form = found.kind == "postgres" and found.version[0] < 10
    return found.version[: 2 if old_form else 1]


def _version(text: str) -> Version:
    found = re.match(r"v?(\d{1,4}(?:\.\d{1,4})*)(?!\w)", text)
    return tuple(map(int, found[1].split("."))) if found else ()
