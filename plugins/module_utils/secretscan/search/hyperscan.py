# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine with libhs.

A block is looked at twice. The first look searches, in one pass, for the known values and for the texts of which
every match of a rule holds one, and in a second, quick one for the few patterns whose texts stand in every log. The
second look searches for the rules' relaxed patterns, but only in the lines where the first saw something. Blocks in
which those are many are searched for everything at once.
"""

from __future__ import annotations

import ctypes
from functools import cached_property
from itertools import accumulate

from ..rules.rulebase import RuleBase
from . import hslib
from .plan import KEYWORD, KNOWN, Hit, Plan

# From so many hits of the first look in a block on, two looks cost more than one at everything.
_MANY = 256
# How many blocks are then searched at once before two looks are tried again.
_PATIENCE = 32
# And how many before they are tried for the first time.
_SMALL = 8


class LibhsEngine:
    """The databases of a plan. That of the known values never leaves memory."""

    def __init__(self, library: ctypes.CDLL, plan: Plan, rules: RuleBase | None) -> None:
        self.name = f"libhs {library.hs_version().decode().split()[0]}"
        self.library = library
        self.rules = rules
        self._literals = [
            hslib.Pattern(literal.text, hslib.CASELESS if literal.form.caseless else 0, KNOWN + number)
            for number, literal in enumerate(plan.literals)
        ]
        self._literals += [
            hslib.Pattern(word.encode(), hslib.CASELESS, KEYWORD + number) for number, word in enumerate(plan.keywords)
        ]

    @cached_property
    def known(self) -> hslib.Database | None:
        """The known values and the keywords."""
        return hslib.Database.compile(self.library, self._literals, literal=True) if self._literals else None

    @cached_property
    def first(self) -> hslib.Database | None:
        """The known values, the keywords, and the texts that a rule's match must hold."""
        texts = [
            hslib.Pattern(text.encode(), hslib.CASELESS if caseless else 0, number)
            for text, caseless, number in (self.rules.texts if self.rules else ())
        ]
        return hslib.Database.compile(self.library, self._literals + texts, literal=True) if texts else self.known

    def searcher(self) -> _Searcher:
        """A searcher with scratch space of its own."""
        return _Searcher(self)


class _Searcher:
    def __init__(self, engine: LibhsEngine) -> None:
        self._engine = engine
        # A small log is read before the first look's database would be compiled.
        self._blocks_at_once = _SMALL

    def _made(self, database: hslib.Database | None, most: int = 0) -> hslib.Searcher | None:
        return hslib.Searcher(self._engine.library, database, most) if database else None

    @cached_property
    def _rules(self) -> hslib.Searcher | None:
        return self._made(self._engine.rules and self._engine.rules.whole)

    @cached_property
    def _known(self) -> hslib.Searcher | None:
        return self._made(self._engine.known)

    @cached_property
    def _first(self) -> list[hslib.Searcher]:
        databases = (self._engine.first, self._engine.rules and self._engine.rules.sieve)
        return [searcher for database in databases if (searcher := self._made(database, _MANY))]

    def search(self, block: bytearray, length: int) -> list[Hit]:
        """Hits as (end, number), in the order of their ends."""
        # The address stays valid: nothing resizes the block while the export lives.
        address = ctypes.addressof(ctypes.c_char.from_buffer(block))
        hits = None if self._blocks_at_once else self._first_look(address, length)
        if hits is None:
            self._blocks_at_once = (self._blocks_at_once or _PATIENCE) - 1
            hits = self._at_once(address, length)
        return sorted(hits)

    def _at_once(self, address: int, length: int) -> list[Hit]:
        hits: list[Hit] = []
        for searcher in (self._rules, self._known):
            hits += searcher.search(address, length) if searcher else ()
        return hits

    def _first_look(self, address: int, length: int) -> list[Hit] | None:
        """The hits, or None for more than are worth another look."""
        hits: list[Hit] = []
        for searcher in self._first:
            hits += searcher.search(address, length)
            if len(hits) >= _MANY:
                return None
        return hits

    def look_closer(self, texts: list[bytes]) -> list[set[int]]:
        """The rules that are hit in each of some texts, all searched as one."""
        found: list[set[int]] = [set() for _text in texts]
        ends = list(accumulate(map(len, texts)))
        place = 0
        if self._rules and texts:
            for end, number in sorted(self._rules.search(b"".join(texts), ends[-1])):
                while end > ends[place]:
                    place += 1
                found[place].add(number)
        return found
