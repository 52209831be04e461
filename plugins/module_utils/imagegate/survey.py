# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image's files looked at once: what is largest, wasted, left over or there twice."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from . import leftovers
from .layer import LayerIndex, key_path
from .overlay import Hider, Occurrence, occurrences
from .runs import SortedRuns

# A directory is passed over when one of its own directories holds this share of it: that one is named.
_DOMINATED = 0.8
_PATHS_SHOWN = 5


class Top:
    """The largest of many, without keeping the others."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._heap: list[tuple[int, Any]] = []

    def offer(self, size: int, item: Any) -> None:
        if len(self._heap) < self._count:
            heapq.heappush(self._heap, (size, item))
        elif self._heap and size > self._heap[0][0]:
            heapq.heapreplace(self._heap, (size, item))

    def ranked(self) -> list[tuple[int, Any]]:
        return sorted(self._heap, key=lambda pair: (-pair[0], pair[1]))


@dataclass
class Leftover:
    """Bytes and files of one kind that an image need not hold, and the layers they are in."""

    bytes: int = 0
    files: int = 0
    layers: dict[int, int] = field(default_factory=lambda: defaultdict(int))


@dataclass
class Duplicate:
    """The same content under more than one path, or in more than one layer."""

    size: int
    copies: int
    paths: list[str]
    layers: list[int]

    @property
    def wasted(self) -> int:
        return self.size * (self.copies - 1)


@dataclass
class Survey:
    """What was found; ranks are layer numbers from 0."""

    files: int = 0
    visible: int = 0
    wasted: int = 0
    # dive's figure: all versions of a file that several layers touch, the last one included.
    versions: int = 0
    wasted_by_layer: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    # (layer of the file, layer that hides it, why) to bytes
    causes: dict[tuple[int, int, str], int] = field(default_factory=lambda: defaultdict(int))
    largest_files: list[tuple[int, Any]] = field(default_factory=list)
    largest_directories: list[tuple[int, Any]] = field(default_factory=list)
    largest_wasted: list[tuple[int, Any]] = field(default_factory=list)
    leftovers: dict[str, Leftover] = field(default_factory=lambda: defaultdict(Leftover))
    duplicates: list[Duplicate] = field(default_factory=list)
    duplicate_bytes: int = 0


class _Directories:
    """Totals of the directories on the way to the current file; each is judged when it is left."""

    def __init__(self, top: Top) -> None:
        self._top = top
        # prefix, bytes, bytes of the largest child, kind of leftover
        self._open: list[list[Any]] = [[b"", 0, 0, ""]]

    def enter(self, key: bytes) -> str:
        """Go to the parent directory of `key`; the kind of leftover that it belongs to."""
        stack = self._open
        while not key.startswith(stack[-1][0]):
            self._leave()
        while (end := key.find(b"\0", len(stack[-1][0]))) != -1:
            stack.append([key[: end + 1], 0, 0, stack[-1][3] or leftovers.of_directory(key[:end])])
        return str(stack[-1][3])

    def count(self, size: int) -> None:
        self._open[-1][1] += size

    def _leave(self) -> None:
        prefix, size, child, _kind = self._open.pop()
        parent = self._open[-1]
        parent[1] += size
        parent[2] = max(parent[2], size)
        if size and child < size * _DOMINATED:
            self._top.offer(size, key_path(prefix[:-1]))

    def close(self) -> None:
        while len(self._open) > 1:
            self._leave()


def survey(layers: Sequence[LayerIndex], top: int = 10) -> Survey:
    """Look at the layers of one image, lowest first; the lists hold `top` items."""
    result = Survey()
    files, hidden, directories = Top(top), Top(top), Top(top)
    tree, contents = _Directories(directories), SortedRuns()
    for file in occurrences(layers):
        if file.versions > 1:
            result.versions += file.size
        if file.hider is not None:
            _waste(result, file, file.hider)
            hidden.offer(file.size, (key_path(file.key), file.rank, file.hider.rank, file.hider.why))
            continue
        result.files += 1
        if not file.size:
            continue
        result.visible += file.size
        kind = tree.enter(file.key) or leftovers.of_name(file.key.rpartition(b"\0")[2])
        tree.count(file.size)
        files.offer(file.size, (key_path(file.key), file.rank))
        if kind:
            leftover = result.leftovers[kind]
            leftover.bytes += file.size
            leftover.files += 1
            leftover.layers[file.rank] += file.size
        if file.digest:
            contents.add((file.digest, file.size, file.key, file.rank))
    tree.close()
    result.largest_files = files.ranked()
    result.largest_directories = directories.ranked()
    result.largest_wasted = [item for item in hidden.ranked() if item[0]]
    _duplicates(result, contents, top)
    return result


def _waste(result: Survey, file: Occurrence, hider: Hider) -> None:
    result.wasted += file.size
    result.wasted_by_layer[file.rank] += file.size
    result.causes[(file.rank, hider.rank, hider.why)] += file.size


def _duplicates(result: Survey, contents: SortedRuns, top: int) -> None:
    best = Top(top)
    for (_digest, size), group in groupby(contents, lambda record: record[:2]):
        paths: list[str] = []
        layers: set[int] = set()
        copies = 0
        for _digest, _size, key, rank in group:
            copies += 1
            layers.add(rank)
            if len(paths) < _PATHS_SHOWN:
                paths.append(key_path(key))
        if copies > 1:
            result.duplicate_bytes += size * (copies - 1)
            best.offer(size * (copies - 1), (size, copies, paths, sorted(layers)))
    result.duplicates = [Duplicate(*item) for _wasted, item in best.ranked()]
