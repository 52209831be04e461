# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the hits in a block to the records that they lie in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..logs.records import Kind
from .blocks import Block, entries
from .plan import Hit

# A longer record is looked at through windows: a hit of bounded cost, however long the line.
_LONGEST_RECORD = 1 << 15
_WINDOW = 1 << 13
_MARGIN = 1 << 12
# How many records before and after may hold the rest of a secret, and how long one of those is.
_MOST_AROUND = 12
_LONGEST_AROUND = 1024


class HitRecord(NamedTuple):
    """A record's bytes and place, the numbers under which it was hit, and the records around it if they matter."""

    raw: bytes
    offset: int
    numbers: set[int]
    before: list[bytes]
    following: list[bytes]


def hit_records(buffer: bytearray, block: Block, kind: Kind, hits: list[Hit], multiline: set[int]) -> list[HitRecord]:
    """The records of a block that were hit, each once.

    Args:
        buffer: Holds the block.
        block: The block's place.
        kind: What separates the records.
        hits: Ends and numbers, by their ends.
        multiline: The numbers whose secrets go on in the records around.
    """
    found: list[HitRecord] = []
    bounds = _Bounds(buffer, block, kind)
    start = end = last = -1
    for place, number in hits:
        if not block.stale < place <= block.fresh:
            continue
        if not start < place <= last:
            start, end, last = bounds.around(place)
            found.append(HitRecord(bytes(buffer[start:end]), block.offset + start, set(), [], []))
        hit = found[-1]
        hit.numbers.add(number)
        if number in multiline and not hit.before and not hit.following:
            hit.before.extend(_before(buffer, start, kind))
            hit.following.extend(_following(buffer, block.length, end, kind))
    return found


class _Bounds:
    """Finds the record, or the window on a very long one, around a place in a block."""

    def __init__(self, buffer: bytearray, block: Block, kind: Kind) -> None:
        self._buffer = buffer
        self._block = block
        self._entries: Iterator[tuple[int, int]] | None = (
            iter(entries(buffer, block.length)) if kind == "local" else None
        )

    def around(self, place: int) -> tuple[int, int, int]:
        """Start and end of the record whose bytes end the hit, and up to where it serves; places come in order."""
        if self._entries is not None:
            for start, end in self._entries:
                if place <= end:
                    return start, end, end
        # A hit may take the newline with it.
        start = self._buffer.rfind(b"\n", 0, place - 1) + 1
        end = self._buffer.find(b"\n", place - 1, self._block.length)
        end = self._block.length if end < 0 else end + 1
        if end - start <= _LONGEST_RECORD:
            return start, end, end
        # Fixed places of the log, so that the windows are the same whatever the blocks.
        grid = (self._block.offset + place) // _WINDOW * _WINDOW - self._block.offset
        # What lies in a margin may be cut off there, so it has the next window.
        return max(start, grid - _MARGIN), min(end, grid + _WINDOW + _MARGIN), grid + _WINDOW


def _following(buffer: bytearray, length: int, end: int, kind: Kind) -> list[bytes]:
    """The next records of a block, as far as they are short."""
    records: list[bytes] = []
    while len(records) < _MOST_AROUND:
        start, end = end, _end_of(buffer, end, length, kind)
        if not start < end <= start + _LONGEST_AROUND:
            break
        records.append(bytes(buffer[start:end]))
    return records


def _end_of(buffer: bytearray, start: int, length: int, kind: Kind) -> int:
    if kind != "local":
        # A log's last line may have no end.
        return buffer.find(b"\n", start, length) + 1 or length
    end = start + 8 + int.from_bytes(buffer[start : start + 4], "big")
    return end if end <= length else 0


def _before(buffer: bytearray, start: int, kind: Kind) -> list[bytes]:
    """The records before a place, as far as they are short, in their order."""
    records: list[bytes] = []
    while start > 0 and len(records) < _MOST_AROUND:
        end, start = start, _start_of(buffer, start, kind)
        if not end - _LONGEST_AROUND <= start < end:
            break
        records.insert(0, bytes(buffer[start:end]))
    return records


def _start_of(buffer: bytearray, end: int, kind: Kind) -> int:
    if kind != "local":
        return buffer.rfind(b"\n", 0, end - 1) + 1
    # An entry ends with its length as it begins with it.
    return end - 8 - int.from_bytes(buffer[end - 4 : end], "big")
