# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scan itself: blocks through an engine, hits to records, records to findings."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

from .confirm import Confirmer
from .findings import Collector
from .logs import records
from .logs.readers import Reader
from .logs.records import NOTHING_AROUND, Around, Kind, Record
from .matches import Match
from .search.blocks import SIZE, Cutter
from .search.engines import SearchEngine, Searcher
from .search.hits import HitRecord, hit_records
from .search.plan import KEYWORD, KNOWN, Plan

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
        make_engine: Callable[[], SearchEngine],
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
        self._lock = threading.Lock()
        self.bytes_read = 0
        self.keyword_lines = 0
        self.keywords: Counter[str] = Counter()
        for value in plan.known.parts():
            collector.redactor.learn(value)

    @cached_property
    def _engine(self) -> SearchEngine:
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
                for hit in hit_records(buffer, block, log.kind, hits, self._plan.multiline):
                    self._record(log, hit)
                for seam in block.seams:
                    self._seam(log, seam.text, seam.cut, seam.record, seam.offset, searcher)
        except BaseException as error:
            failures.append(error)

    def _record(self, log: Log, hit: HitRecord) -> None:
        numbers = hit.numbers
        words = {number for number in numbers if KEYWORD <= number < KNOWN} if self._plan.keywords else set()
        if words and words == numbers and not self._since and not self._until:
            self._count(words)
            return
        record = records.parse(log.kind, hit.raw)
        if not self._in_time(record):
            return
        if words:
            self._count(words)
            numbers -= words
        around = NOTHING_AROUND
        # What goes on in the next piece of a line is a seam's.
        if (hit.before or hit.following) and record.complete:
            around = Around(log.kind, record.stream, tuple(hit.before), tuple(hit.following))
        for match in self._confirmer.confirm(record.text, numbers, around):
            stream = record if record.stream else record._replace(stream=log.stream)
            self._collector.add(match, stream, log.source, hit.offset, log.origin)

    def _seam(self, log: Log, text: str, cut: int, record: Record, offset: int, searcher: Searcher) -> None:
        """Look at what two pieces of a line say together and neither says alone."""
        if not self._in_time(record):
            return
        alone: set[str] | None = None
        for match in self._search_text(text, searcher):
            plain = text[match.start : match.end] == match.secret
            if not (plain and match.start < cut < match.end):
                if alone is None:
                    alone = {m.secret for part in (text[:cut], text[cut:]) for m in self._search_text(part, searcher)}
                if match.secret in alone:
                    continue
            self._collector.add(match, record, log.source, offset, log.origin)

    def _search_text(self, text: str, searcher: Searcher) -> list[Match]:
        data = text.encode("utf-8", "replace")
        numbers = {number for _end, number in searcher.search(bytearray(data), len(data))}
        numbers = {number for number in numbers if not KEYWORD <= number < KNOWN}
        return self._confirmer.confirm(text, numbers) if numbers else []

    def _count(self, words: set[int]) -> None:
        with self._lock:
            self.keyword_lines += 1
            self.keywords.update(self._plan.keywords[number - KEYWORD] for number in words)

    def _in_time(self, record: Record) -> bool:
        """Whether a record lies in the span asked for; one without a time does."""
        if not (self._since or self._until):
            return True
        moment = records.moment(record.time)
        if not moment:
            return True
        return self._since <= moment and (not self._until or moment < self._until)
