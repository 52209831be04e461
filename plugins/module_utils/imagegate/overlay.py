# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layers laid over each other: which file of which layer is still there in the end, and what took it away."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from .layer import (
    DIRECTORY,
    FILE,
    WHITEOUT,
    LayerIndex,
)

DELETED, OVERWRITTEN, COPIED = "deleted", "overwritten", "copied"


class Hider(NamedTuple):
    """What made a file invisible: the layer, and whether it deleted, overwrote or merely copied it."""

    rank: int
    why: str


class Occurrence(NamedTuple):
    """A file in a layer; `hider` is None when it is part of the final file system."""

    key: bytes
    rank: int
    size: int
    digest: bytes
    hider: Hider | None
    versions: int


class _Hidden:
    """How far down the directories on the way to the current path are cut off from the layers below."""

    def __init__(self) -> None:
        self._stack: list[tuple[bytes, int]] = [(b"", 0)]
        self._last: tuple[bytes, int] = (b"", 0)

    def below(self, key: bytes) -> int:
        """Files of lower layers than this cannot be seen under the parent of `key`."""
        stack = self._stack
        last_key, last_rank = self._last
        # A path's own subtree directly follows it.
        if last_rank and key.startswith(last_key + b"\0" if last_key else b""):
            stack.append((last_key + b"\0" if last_key else b"", last_rank))
            self._last = (b"", 0)
        while not key.startswith(stack[-1][0]):
            stack.pop()
        return stack[-1][1]

    def enter(self, key: bytes, rank: int) -> None:
        """From here on `key` hides what lower layers than `rank` hold under it."""
        self._last = (key, rank)


def occurrences(layers: Sequence[LayerIndex]) -> Iterator[Occurrence]:
    """Every file of every layer, lowest layer first, in the order of the tree."""
    streams = [stream for rank, layer in enumerate(layers) for stream in layer.ranked(rank)]
    hidden = _Hidden()
    for key, group in groupby(heapq.merge(*streams), itemgetter(0)):
        records = list(group)
        below = hidden.below(key)
        # Whatever is not a directory cuts the path off from the layers underneath.
        cut = max((record[1] for record in records if record[3] != DIRECTORY), default=0)
        hidden.enter(key, max(cut, below))
        if len(records) == 1:
            _key, rank, _order, kind, size, digest = records[0]
            if kind == FILE:
                yield Occurrence(key, rank, size, digest, Hider(below, DELETED) if rank < below else None, 1)
        else:
            yield from _resolve(records, below)


def _resolve(records: list[tuple[Any, ...]], below: int) -> Iterator[Occurrence]:
    """The files among the records of one path."""
    versions = sum(record[3] in (FILE, WHITEOUT) for record in records)
    for position, (key, rank, _order, kind, size, digest) in enumerate(records):
        if kind != FILE:
            continue
        # A whiteout speaks of lower layers only: beside a file of its own layer it is the older one.
        successor = next((later for later in records[position + 1 :] if later[1] > rank or later[3] == FILE), None)
        hider = None
        if successor is not None:
            hider = Hider(successor[1], _why(successor, size, digest))
        elif rank < below:
            hider = Hider(below, DELETED)
        yield Occurrence(key, rank, size, digest, hider, versions)


def _why(successor: tuple[Any, ...], size: int, digest: bytes) -> str:
    if successor[3] == WHITEOUT:
        return DELETED
    return COPIED if digest and successor[4:] == (size, digest) else OVERWRITTEN
