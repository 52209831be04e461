# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SQLite in a volume: found by looking at files, copied as of one moment while an app writes on."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from ..errors import StepError
from .rows import Rows

_MAGIC = b"SQLite format 3\0"
# What lies beside a database belongs to the moment in which it is read, and not to a copy.
BESIDE = ("-wal", "-shm", "-journal")
_BUSY = 60


def find(volume: Path) -> list[Path]:
    """The databases below a directory, relative to it."""
    found = []
    for directory, _, names in os.walk(volume):
        for name in names:
            path = Path(directory, name)
            with contextlib.suppress(OSError):
                if path.is_file() and not path.is_symlink() and _begins(path):
                    found.append(path.relative_to(volume))
    return sorted(found)


def copy(source: Path, target: Path) -> str:
    """A copy of one moment, with mode, owner and times of the original; why there is none, empty when there is.

    Raises:
        StepError: The app lets nobody read it.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with _opened(source) as there, contextlib.closing(sqlite3.connect(target)) as here:
            there.backup(here)
    except sqlite3.DatabaseError as error:
        target.unlink(missing_ok=True)
        if "locked" in str(error):
            raise StepError(
                f"the SQLite database {source.name} is locked by the app",
                advice="Give the service that writes it backup: pause.",
            )
        return str(error)
    status = source.stat()
    os.chown(target, status.st_uid, status.st_gid)
    shutil.copystat(source, target)
    return ""


def count(database: Path) -> Rows:
    """Rows by table, of a copy whose pages hang together.

    Raises:
        StepError: They do not.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(database))}?immutable=1", uri=True)) as there:
            (verdict,) = there.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise StepError(f"the SQLite database {database.name} is damaged: {verdict}")
            names = [name for (name,) in there.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: _count(there, name) for name in names}
    except sqlite3.DatabaseError as error:
        raise StepError(f"the SQLite database {database.name} is damaged: {error}")


def _count(there: sqlite3.Connection, table: str) -> int:
    quoted = table.replace('"', '""')
    try:
        return int(there.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0])
    except sqlite3.OperationalError:
        # A virtual table of an extension that is not here.
        return 0


def _begins(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[sqlite3.Connection]:
    # Never made anew; root's files beside it would get the database's own owner.
    uri = f"file:{quote(str(source))}?mode=rw"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY)) as there:
        # The snapshot begins here, so that nothing makes the copy begin anew.
        there.execute("BEGIN")
        there.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield there
