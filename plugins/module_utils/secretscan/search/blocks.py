# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A log in blocks of bounded size that end where a record ends.

One lock-protected cutter serves all threads, so that blocks come in order: only the order tells which piece
of a long line goes on in which record.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

from ..logs import records
from ..logs.readers import Reader
from ..logs.records import Kind

SIZE = 1 << 20
# Of a line longer than a block, what the next block repeats, so that nothing is lost where it was cut.
OVERLAP = 1 << 14
# On each side of the place where Docker cut a line in two.
_SEAM = 4096


class Seam(NamedTuple):
    """The end of one piece of a line and the beginning of the next, as they were before Docker cut them."""

    text: str
    cut: int
    record: records.Record
    offset: int


class Block(NamedTuple):
    """Bytes in the buffer given, their place in the log, and what spans this block and the last."""

    length: int
    offset: int
    # Hits that end before this were already seen at the end of the last block, those after `fresh` come
    # again.
    stale: int
    fresh: int
    seams: list[Seam]


class Cutter:
    """Cuts what a reader delivers into blocks."""

    def __init__(self, reader: Reader, kind: Kind, offset: int = 0) -> None:
        self._reader = reader
        self._kind = kind
        self._lock = threading.Lock()
        self._rest = b""
        self._offset = offset
        self._overlapping = False
        self._ended = False
        self._pending: dict[str, str] = {}
        self._pending_from: dict[str, int] = {}
        self._complete = offset
        self.read = 0

    @property
    def resume(self) -> int:
        """Where a later scan goes on: after the last complete record, or at a line's first piece."""
        return min([self._complete, *self._pending_from.values()])

    def next(self, buffer: bytearray) -> Block | None:
        """The next block, in the buffer's first bytes; None at the end."""
        with self._lock:
            if self._ended:
                return None
            total = self._fill(buffer)
            if total == 0:
                return None
            block = self._cut(buffer, total)
            if self._kind in ("json-file", "local"):
                block.seams.extend(self._seams(buffer, block))
            return block

    def _fill(self, buffer: bytearray) -> int:
        """The rest of the last block, then what the reader has."""
        total = len(self._rest)
        buffer[:total] = self._rest
        with memoryview(buffer) as view:
            while total < SIZE:
                with view[total:SIZE] as free:
                    count = self._reader.readinto(free)
                if count == 0:
                    self._ended = True
                    break
                self.read += count
                total += count
        return total

    def _cut(self, buffer: bytearray, total: int) -> Block:
        stale = OVERLAP // 2 if self._overlapping else 0
        end = total if self._ended else self._last_end(buffer, total)
        whole = self._last_end(buffer, total) if self._ended else end
        # Of a line longer than the block, the next one repeats the end.
        fresh = end or total - OVERLAP // 2
        block = Block(end or total, self._offset, stale, fresh, [])
        self._overlapping = end == 0
        if end == 0:
            end = total - OVERLAP
        else:
            self._complete = self._offset + whole
        self._rest = b"" if self._ended else bytes(buffer[end:total])
        self._offset += end
        return block

    def _last_end(self, buffer: bytearray, total: int) -> int:
        """Where the last complete record ends; 0 if none does."""
        if self._kind != "local":
            return buffer.rfind(b"\n", 0, total) + 1
        position = 0
        while position + 4 <= total:
            after = position + 8 + int.from_bytes(buffer[position : position + 4], "big")
            if after > total:
                break
            position = after
        return position

    def _seams(self, buffer: bytearray, block: Block) -> list[Seam]:
        """Join the pieces of long lines; costs next to nothing where there are none."""
        seams: list[Seam] = []
        if self._kind == "local":
            spans = entries(buffer, block.length)
        else:
            spans = _lines_to_join(buffer, block.length, bool(self._pending))
        for start, end in spans:
            if not self._pending and end - start < records.PIECE:
                continue
            record = records.parse(self._kind, bytes(buffer[start:end]))
            before = self._pending.pop(record.stream, "")
            if before:
                text = before + record.text[:_SEAM]
                seams.append(Seam(text, len(before), record, block.offset + start))
            if record.complete:
                self._pending_from.pop(record.stream, None)
            else:
                self._pending[record.stream] = (before + record.text)[-_SEAM:]
                self._pending_from.setdefault(record.stream, block.offset + start)
        return seams


def _lines_to_join(buffer: bytearray, length: int, pending: bool) -> list[tuple[int, int]]:
    """The lines as long as a piece, each with those that may continue it."""
    spans: list[tuple[int, int]] = []
    position = 0
    while position < length:
        if not pending:
            # Any newline within the reach of a piece: no long line begins here.
            near = buffer.rfind(b"\n", position, position + records.PIECE)
            if near >= 0:
                position = near + 1
                continue
        end = buffer.find(b"\n", position, length)
        end = length if end < 0 else end + 1
        spans.append((position, end))
        # What continues a piece is nearly always the next line, but the other stream may come between.
        pending = end - position >= records.PIECE or (pending and len(spans) < 3)
        position = end
    return spans


def entries(buffer: bytearray, length: int) -> list[tuple[int, int]]:
    """Where the entries of Docker's local driver begin and end."""
    spans = []
    position = 0
    while position + 8 <= length:
        after = position + 8 + int.from_bytes(buffer[position : position + 4], "big")
        if after > length:
            break
        spans.append((position, after))
        position = after
    return spans
