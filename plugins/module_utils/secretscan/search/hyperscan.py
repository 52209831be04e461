# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine with libhs: a block is searched for the rules' relaxed patterns, and for the known values."""

from __future__ import annotations

import ctypes

from . import hslib
from .plan import KEYWORD, KNOWN, Hit, Plan


class LibhsEngine:
    """The databases of a plan. That of the known values never leaves memory."""

    def __init__(self, library: ctypes.CDLL, plan: Plan, rules: hslib.Database | None) -> None:
        self.name = f"libhs {library.hs_version().decode().split()[0]}"
        self._library = library
        literals = [
            hslib.Pattern(literal.text, hslib.CASELESS if literal.form.caseless else 0, KNOWN + number)
            for number, literal in enumerate(plan.literals)
        ]
        literals += [
            hslib.Pattern(word.encode(), hslib.CASELESS, KEYWORD + number) for number, word in enumerate(plan.keywords)
        ]
        known = hslib.Database.compile(library, literals, literal=True) if literals else None
        self._databases = [database for database in (rules, known) if database]

    def searcher(self) -> _Searcher:
        """A searcher with scratch space of its own."""
        return _Searcher([hslib.Searcher(self._library, database) for database in self._databases])


class _Searcher:
    def __init__(self, searchers: list[hslib.Searcher]) -> None:
        self._searchers = searchers

    def search(self, block: bytearray, length: int) -> list[Hit]:
        """Hits as (end, number), in the order of their ends."""
        # The address stays valid: nothing resizes the block while the export lives.
        address = ctypes.addressof(ctypes.c_char.from_buffer(block))
        hits: list[Hit] = []
        for searcher in self._searchers:
            hits += searcher.search(address, length)
        return sorted(hits)
