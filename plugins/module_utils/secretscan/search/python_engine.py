# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine in plain Python.

Logs repeat themselves: a megabyte of 160,000 words has 10,000 different ones, and most of those stood in
the megabyte before. So a block is split into words at the speed of C, and only words not seen before are
searched for the literals that a match must hold. Stretches with such a word are then searched for the literal's
places, and the relaxed patterns run on the lines there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .plan import KEYWORD, KNOWN, RUN, Hit, Plan

# A number, the pattern to try, and whether it begins where the literal stands.
_Targets = list[tuple[int, "re.Pattern[bytes] | None", bool]]

# Words remembered before the memory starts anew: some 10 MB. Longer ones are not.
_MOST_WORDS = 80_000
_LONGEST_WORD = 64
# On both sides of a literal, what the patterns see of an endless line.
_REACH = 4096
# What a pattern that begins with its literal sees after it: a name, and a value or its beginning.
_AFTER = 1024
# So much is searched when a word in it tells; in a whole block, too many would.
_STRETCH = 1 << 16

_WORD_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-%~|"
_TO_WORDS = bytes(byte if byte in _WORD_BYTES else 0x20 for byte in range(256))
_PIECE = re.compile(rb"[A-Za-z0-9_%~|-]{2,}")


class _Probe:
    """A literal, the word or part of one that shows its presence, and what to search for where it stands."""

    def __init__(self, text: bytes, caseless: bool) -> None:
        self.text = text
        self.caseless = caseless
        self.piece = max(_PIECE.findall(text), key=len, default=b"")
        self.targets: _Targets = []


class PythonEngine:
    """No library: bytes.split(), bytes.find() and re."""

    name = "python"

    def __init__(self, plan: Plan) -> None:
        probes: dict[tuple[bytes, bool], _Probe] = {}

        def add(
            text: bytes, caseless: bool, number: int, pattern: re.Pattern[bytes] | None = None, leading: bool = False
        ) -> None:
            probe = probes.setdefault((text, caseless), _Probe(text, caseless))
            probe.targets.append((number, pattern, leading))

        for term in plan.terms:
            pattern = re.compile(term.expression.encode(), re.DOTALL)
            for text in term.literals.texts:
                add(text.encode(), term.literals.caseless, term.number, pattern, term.literals.leading)
        for number, literal in enumerate(plan.literals):
            add(literal.text, literal.form.caseless, KNOWN + number)
        for number, word in enumerate(plan.keywords):
            add(word.encode(), True, KEYWORD + number)
        self.probes = list(probes.values())

    def searcher(self) -> _WordSearcher:
        """A searcher with a memory of words of its own."""
        return _WordSearcher(self.probes)


class _Hits:
    """Hits, of which one at every byte of a run counts as one, in a long run as one at so many bytes."""

    def __init__(self) -> None:
        self.kept: set[Hit] = set()
        self._last: dict[int, tuple[int, int]] = {}

    def add(self, end: int, number: int) -> None:
        """Keep a hit unless it goes on with the last one of its number."""
        before, kept = self._last.get(number, (-1, -1))
        if before == end - 1 and end - kept < RUN:
            self._last[number] = (end, kept)
        else:
            self._last[number] = (end, end)
            self.kept.add((end, number))


class _WordSearcher:
    def __init__(self, probes: list[_Probe]) -> None:
        self._always = [probe for probe in probes if not probe.piece]
        self._worded = [probe for probe in probes if probe.piece]
        self._exact = _trie(probe.piece for probe in self._worded if not probe.caseless)
        self._any_case = _trie(probe.piece for probe in self._worded if probe.caseless)
        self._by_start: dict[bytes, list[_Probe]] = {}
        for probe in self._worded:
            self._by_start.setdefault(probe.piece[:2], []).append(probe)
        self._dull: set[bytes] = set()
        self._telling: dict[bytes, list[_Probe]] = {}

    def search(self, block: bytearray, length: int) -> list[Hit]:
        """Hits as (end, number), in the order of their ends."""
        data = bytes(memoryview(block)[:length])
        lower = data.lower()
        hits = _Hits()
        done: set[tuple[int, int]] = set()
        for start, end in _stretches(data):
            for probe, place in self._places(data, lower, start, end):
                for number, pattern, leading in probe.targets:
                    if pattern is None:
                        hits.add(place + len(probe.text), number)
                    elif leading:
                        match = pattern.match(data, place, place + _AFTER)
                        if match:
                            hits.add(match.end(), number)
                    else:
                        first, last = _surroundings(data, place)
                        if (number, first) not in done:
                            done.add((number, first))
                            for match in pattern.finditer(data, first, last):
                                hits.add(match.end(), number)
        return sorted(hits.kept)

    def _places(self, data: bytes, lower: bytes, start: int, end: int) -> Iterator[tuple[_Probe, int]]:
        """Where in a stretch of the block the literals stand."""
        for probe in self._present(data[start:end]):
            text = lower if probe.caseless else data
            place = text.find(probe.text, start, end)
            while place >= 0:
                yield probe, place
                place = text.find(probe.text, place + 1, end)

    def _present(self, data: bytes) -> Iterable[_Probe]:
        """The probes whose piece stands in one of the words."""
        words = set(data.translate(_TO_WORDS).split())
        for memory in (self._dull, self._telling):
            if len(memory) > _MOST_WORDS:
                memory.clear()
        new = words - self._dull
        new.difference_update(self._telling)
        present = dict.fromkeys(self._always)
        for word in words & self._telling.keys():
            present.update(dict.fromkeys(self._telling[word]))
        present.update(dict.fromkeys(self._learn(new)))
        return present

    def _learn(self, words: set[bytes]) -> list[_Probe]:
        """Sort words into those that hold a probe's piece and the rest; returns the probes."""
        text = b" ".join(words)
        telling = set(_words_with(self._exact, text, text))
        telling.update(_words_with(self._any_case, text.lower(), text))
        present: list[_Probe] = []
        for word in telling:
            probes = self._probes_in(word)
            present += probes
            if len(word) <= _LONGEST_WORD:
                self._telling[word] = probes
        self._dull.update(word for word in words - telling if len(word) <= _LONGEST_WORD)
        return present

    def _probes_in(self, word: bytes) -> list[_Probe]:
        lower = word.lower()
        probes = self._worded
        if len(word) <= _LONGEST_WORD:
            places = range(len(word) - 1)
            starts = {word[place : place + 2] for place in places} | {lower[place : place + 2] for place in places}
            probes = [probe for start in starts for probe in self._by_start.get(start, ())]
        return [probe for probe in probes if probe.piece in (lower if probe.caseless else word)]


def _words_with(pattern: re.Pattern[bytes] | None, text: bytes, original: bytes) -> Iterator[bytes]:
    """The words of a text in which a pattern is found, as the original spells them."""
    place = 0
    while pattern and (match := pattern.search(text, place)):
        start = text.rfind(b" ", 0, match.start()) + 1
        place = text.find(b" ", match.end())
        if place < 0:
            place = len(text)
        yield original[start:place]


def _stretches(data: bytes) -> Iterator[tuple[int, int]]:
    """Pieces of a block that end where a line does."""
    start = 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + _STRETCH) + 1 or len(data)
        yield start, end
        start = end


def _surroundings(data: bytes, place: int) -> tuple[int, int]:
    """The line around a place, or of a long one a window from a fixed grid."""
    start = data.rfind(b"\n", max(0, place - _REACH), place) + 1
    if start == 0 and place > _REACH:
        start = (place // _REACH - 1) * _REACH
    end = data.find(b"\n", place, place + 2 * _REACH)
    return start, end if end >= 0 else min(len(data), place + 2 * _REACH)


def _trie(texts: Iterable[bytes]) -> re.Pattern[bytes] | None:
    """One pattern that finds any of the texts and tries each first letter once."""
    root: dict[int, dict] = {}  # type: ignore[type-arg]
    for text in texts:
        node = root
        for byte in text:
            node = node.setdefault(byte, {})
        node[-1] = {}
    return re.compile(_branches(root)) if root else None


def _branches(node: dict[int, dict]) -> bytes:  # type: ignore[type-arg]
    if -1 in node:
        return b""
    parts = [re.escape(bytes([byte])) + _branches(inner) for byte, inner in sorted(node.items())]
    return parts[0] if len(parts) == 1 else b"(?:" + b"|".join(parts) + b")"
