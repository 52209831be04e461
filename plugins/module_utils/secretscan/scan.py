# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scan itself: blocks through an engine, hits to records, records to findings."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

from . import records
from .blocks import SIZE, Block, Cutter, entries
from .confirm import Confirmer, Match
from .engines import Engine, Searcher
from .findings import Collector
from .plan import KEYWORD, KNOWN, Plan
from .readers import Reader
from .records import Kind, Record

# A longer record is looked at through windows: a hit of bounded cost, however long the line.
_LONGEST_RECORD = 1 << 15
_WINDOW = 1 << 13
_MARGIN = 1 << 12
# Below this much to read, a second thread costs more than it brings.
_WORTH_A_THREAD = 8 << 20
_MOST_THREADS = 4


class Log(NamedTuple):
    """One log to scan."""

    source: str
    kind: Kind
    reader: Reader
    offset: int = 0
    size: int = 0
    origin: str = ""
    stream: str = ""


class Scanner:
    """Scans logs, one after another, each with as many threads as it is worth."""

    def __init__(
        self,
        plan: Plan,
        make_engine: Callable[[], Engine],
        collector: Collector,
        *,
        threads: int = 0,
        since: str = "",
        until: str = "",
    ) -> None:
        self._plan = plan
        self._make_engine = make_engine
        self._collector = collector
        self._confirmer = Confirmer(plan)
        self._threads = threads or min(os.cpu_count() or 1, _MOST_THREADS)
        self._since, self._until = since, until
        self._searchers: list[Searcher] = []
        self._buffers: list[bytearray] = []
        self.engine_name = "no engine: nothing new to read"
        self.bytes_read = 0
        self.keyword_lines = 0
        self.keywords: Counter[str] = Counter()
        for value in plan.known.parts():
            collector.redactor.learn(value)

    @cached_property
    def _engine(self) -> Engine:
        """Made when the first log has something to read: a repeated scan often needs none."""
        return self._make_engine()

    def scan(self, log: Log) -> Cutter:
        """Scan a log to its end; the cutter tells where it ended."""
        cutter = Cutter(log.reader, log.kind, log.offset)
        count = self._threads if log.size >= _WORTH_A_THREAD else 1
        while len(self._searchers) < count:
            self.engine_name = self._engine.name
            self._searchers.append(self._engine.searcher())
            self._buffers.append(bytearray(SIZE))
        failures: list[BaseException] = []
        workers = [
            threading.Thread(target=self._work, args=(log, cutter, number, failures)) for number in range(1, count)
        ]
        for worker in workers:
            worker.start()
        self._work(log, cutter, 0, failures)
        for worker in workers:
            worker.join()
        if failures:
            raise failures[0]
        self.bytes_read += cutter.read
        return cutter

    def _work(self, log: Log, cutter: Cutter, number: int, failures: list[BaseException]) -> None:
        searcher, buffer = self._searchers[number], self._buffers[number]
        try:
            while (block := cutter.next(buffer)) is not None and not failures:
                hits = searcher.search(buffer, block.length)
                if hits:
                    self._block(log, buffer, block, hits)
                for seam in block.seams:
                    self._seam(log, seam.text, seam.cut, seam.record, seam.offset, searcher)
        except BaseException as error:
            failures.append(error)

    def _block(self, log: Log, buffer: bytearray, block: Block, hits: list[tuple[int, int]]) -> None:
        """Look at the records of a block that were hit, each once."""
        bounds = _Bounds(buffer, block, log.kind)
        start = end = -1
        numbers: set[int] = set()
        for place, number in hits:
            if not block.stale < place <= block.fresh:
                continue
            if not start < place <= end:
                self._record(log, buffer, block, start, end, numbers)
                start, end = bounds.around(place)
                numbers = set()
            numbers.add(number)
        self._record(log, buffer, block, start, end, numbers)

    def _record(self, log: Log, buffer: bytearray, block: Block, start: int, end: int, numbers: set[int]) -> None:
        if not numbers:
            return
        words = {number for number in numbers if KEYWORD <= number < KNOWN} if self._plan.keywords else ()
        if words and words == numbers and not self._since and not self._until:
            self._count(words)
            return
        record = records.parse(log.kind, bytes(buffer[start:end]))
        if not self._in_time(record):
            return
        if words:
            self._count(words)
            numbers -= words
        text = record.text
        if not self._plan.multiline.isdisjoint(numbers):
            text += _following(log.kind, buffer, block.length, end)
        for match in self._confirmer.confirm(text, numbers):
            stream = record if record.stream else record._replace(stream=log.stream)
            self._collector.add(match, stream, log.source, block.offset + start, log.origin)

    def _seam(self, log: Log, text: str, cut: int, record: Record, offset: int, searcher: Searcher) -> None:
        """Look at what two pieces of a line say together and neither says alone."""
        if not self._in_time(record):
            return
        found = self._search_text(text, searcher)
        if found:
            alone = {m.secret for part in (text[:cut], text[cut:]) for m in self._search_text(part, searcher)}
            for match in found:
                if match.secret not in alone:
                    self._collector.add(match, record, log.source, offset, log.origin)

    def _search_text(self, text: str, searcher: Searcher) -> list[Match]:
        data = bytearray(text.encode("utf-8", "replace"))
        numbers = {number for _end, number in searcher.search(data, len(data))}
        return self._confirmer.confirm(text, {n for n in numbers if not KEYWORD <= n < KNOWN}) if numbers else []

    def _count(self, words: set[int]) -> None:
        self.keyword_lines += 1
        for number in words:
            self.keywords[self._plan.keywords[number - KEYWORD]] += 1

    def _in_time(self, record: Record) -> bool:
        """Whether a record lies in the span asked for; one without a time does."""
        if not (self._since or self._until):
            return True
        moment = records.moment(record.time)
        if not moment:
            return True
        return self._since <= moment and (not self._until or moment < self._until)


class _Bounds:
    """Finds the record, or the window on a very long one, around a place in a block."""

    def __init__(self, buffer: bytearray, block: Block, kind: Kind) -> None:
        self._buffer = buffer
        self._block = block
        self._entries: Iterator[tuple[int, int]] | None = (
            iter(entries(buffer, block.length)) if kind == "local" else None
        )

    def around(self, place: int) -> tuple[int, int]:
        """Start and end of the record whose bytes end the hit; places come in order."""
        if self._entries is not None:
            for start, end in self._entries:
                if place <= end:
                    return start, end
        # A hit may take the newline with it.
        start = self._buffer.rfind(b"\n", 0, place - 1) + 1
        end = self._buffer.find(b"\n", place - 1, self._block.length)
        end = self._block.length if end < 0 else end + 1
        if end - start <= _LONGEST_RECORD:
            return start, end
        # Fixed places of the log, so that the windows are the same whatever the blocks.
        grid = (self._block.offset + place) // _WINDOW * _WINDOW - self._block.offset
        return max(start, grid - _MARGIN), min(end, grid + _WINDOW + _MARGIN)


def _following(kind: Kind, buffer: bytearray, length: int, end: int) -> str:
    """What the next records of a block say, for a secret of several lines."""
    lines = []
    for _line in range(4):
        stop = buffer.find(b"\n", end, length) + 1
        if stop <= 0 or kind == "local" or stop - end > _LONGEST_RECORD:
            break
        lines.append(records.parse(kind, bytes(buffer[end:stop])).text)
        end = stop
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)
