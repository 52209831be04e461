# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two ways to find the places worth a closer look: libhs, and plain Python where that is not installed.

Both answer the same question, so that the same findings follow: at which byte does a match of a plan's
relaxed patterns and literals end.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
from pathlib import Path
from typing import Protocol

from ..errors import UserError
from . import hslib
from .plan import KEYWORD, KNOWN, Plan
from .state import write_whole
from .words import PythonEngine

Hit = tuple[int, int]


class Searcher(Protocol):
    """Searches one block after another, in one thread."""

    def search(self, block: bytearray, length: int) -> list[Hit]:
        """Hits as (end, number), in the order of their ends."""


class Engine(Protocol):
    """A plan made ready to search."""

    name: str

    def searcher(self) -> Searcher:
        """A new searcher, for use in one thread."""


def make(plan: Plan, choice: str = "auto", cache: Path | None = None) -> Engine:
    """The engine asked for; with auto, libhs where it is installed.

    Raises:
        UserError: libhs is asked for by name and is not there.
    """
    library = hslib.load() if choice in ("auto", "libhs") else None
    if library is not None:
        return LibhsEngine(library, plan, cache)
    if choice == "libhs":
        raise UserError(
            "engine: libhs is not installed; install libhyperscan5 or libvectorscan5, or choose engine: auto"
        )
    return PythonEngine(plan)


class LibhsEngine:
    """libhs with two databases: the rules', which may lie in a cache, and that of the known values, which never
    leaves memory."""

    def __init__(self, library: ctypes.CDLL, plan: Plan, cache: Path | None) -> None:
        self.name = f"libhs {library.hs_version().decode().split()[0]}"
        self._library = library
        self._databases = [_rules_database(library, plan, cache)] if plan.rules else []
        literals = [
            hslib.Pattern(literal.text, hslib.CASELESS if literal.caseless else 0, KNOWN + number)
            for number, literal in enumerate(plan.literals)
        ]
        literals += [
            hslib.Pattern(word.encode(), hslib.CASELESS, KEYWORD + number) for number, word in enumerate(plan.keywords)
        ]
        if literals:
            self._databases.append(hslib.Database.compile(library, literals, literal=True))

    def searcher(self) -> Searcher:
        """A searcher with scratch space of its own."""
        return _LibhsSearcher(self._library, self._databases)


class _LibhsSearcher:
    def __init__(self, library: ctypes.CDLL, databases: list[hslib.Database]) -> None:
        self._searchers = [hslib.Searcher(library, database) for database in databases]

    def search(self, block: bytearray, length: int) -> list[Hit]:
        # The address stays valid: nothing resizes the block while the export lives.
        address = ctypes.addressof((ctypes.c_char * len(block)).from_buffer(block))
        hits: list[Hit] = []
        for searcher in self._searchers:
            hits.extend(searcher.search(address, length))
        hits.sort()
        return hits


def _rules_database(library: ctypes.CDLL, plan: Plan, cache: Path | None) -> hslib.Database:
    """The rules' database, from the cache if it has been compiled before."""
    if cache is None:
        return _compiled(library, plan)
    digest = hashlib.sha256(library.hs_version() + plan.digest.encode()).hexdigest()[:32]
    path = cache / f"rules-{digest}.hsdb"
    try:
        # A database from elsewhere could make the library read beyond its bounds.
        trusted = path.stat().st_uid == os.geteuid() and not path.stat().st_mode & 0o022
        database = hslib.Database.deserialize(library, path.read_bytes()) if trusted else None
    except OSError:
        database = None
    if database is None:
        database = _compiled(library, plan)
        # A scan works as well without.
        with contextlib.suppress(OSError):
            write_whole(path, database.serialize())
    return database


def _compiled(library: ctypes.CDLL, plan: Plan) -> hslib.Database:
    flags = hslib.DOTALL | hslib.MULTILINE
    patterns = [hslib.Pattern(term.expression.encode(), flags, term.number) for term in plan.terms]
    try:
        return hslib.Database.compile(library, patterns)
    except hslib.CompileError as error:
        name = plan.terms[error.index].owner if error.index >= 0 else "set as a whole"
        raise UserError(f"rules: libhs does not take the rule {name!r}: {error}")
