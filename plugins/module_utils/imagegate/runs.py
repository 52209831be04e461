# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sorting millions of records in little memory: sorted runs, kept compressed, merged as they are read."""

from __future__ import annotations

import heapq
import marshal
import zlib
from collections.abc import Iterator
from typing import Any

# A run is as long as memory allows while it is filled; a batch as short as it can be, since a merge
# holds one batch of every run.
# A run is full at so many records, or earlier at so many bytes of their keys.
_RUN, _RUN_BYTES = 20_000, 8 << 20
_BATCH = 250


class SortedRuns:
    """Collects tuples of plain values and gives them back in order."""

    def __init__(self) -> None:
        self._filling: list[tuple[Any, ...]] = []
        self._weight = 0
        self._runs: list[list[bytes]] = []

    def add(self, record: tuple[Any, ...]) -> None:
        self._filling.append(record)
        self._weight += sum(len(value) for value in record if isinstance(value, bytes))
        if len(self._filling) >= _RUN or self._weight >= _RUN_BYTES:
            self.close_run()

    def close_run(self) -> None:
        """Compress what is being filled; call it when nothing more comes, to give its memory back."""
        if not self._filling:
            return
        self._filling.sort()
        batches = (self._filling[start : start + _BATCH] for start in range(0, len(self._filling), _BATCH))
        self._runs.append([zlib.compress(marshal.dumps(batch), 1) for batch in batches])
        self._filling, self._weight = [], 0

    def streams(self) -> list[Iterator[tuple[Any, ...]]]:
        """Each run in order, to be merged by the caller together with others."""
        self.close_run()
        return [_read(run) for run in self._runs]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return heapq.merge(*self.streams())


def _read(run: list[bytes]) -> Iterator[tuple[Any, ...]]:
    for batch in run:
        yield from marshal.loads(zlib.decompress(batch))
