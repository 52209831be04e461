# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One layer's archive, read once: its size, and what it adds and removes, kept small."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from .bytestream import ByteStream
from .runs import SortedRuns
from .tarstream import Entry, entries

FILE, DIRECTORY, WHITEOUT, OPAQUE = range(4)
# Below this, sharing a file between layers saves nothing worth a line in a report.
DUPLICATE_FLOOR = 4096
_WHITEOUT_MARK, _OPAQUE_MARK = b".wh.", b".wh..wh..opq"
_SEPARATOR = b"\0"


class LayerIndex:
    """What a layer holds. Its size is what an engine of the classic store counts when it pulls the layer: the
    bytes of the files, and those of symbolic links' targets.

    Records are `(key, order, kind, size, digest)`.

    A key is the path with NUL for its slashes, so that plain sorting visits a directory's whole subtree
    directly behind it.
    """

    def __init__(self) -> None:
        self.size = 0
        self.files = 0
        self._entries = 0
        self._runs = SortedRuns()

    def add(self, entry: Entry) -> None:
        self.size += len(entry.link) if entry.is_symlink else entry.size
        key = path_key(entry.path)
        parent, separator, name = key.rpartition(_SEPARATOR)
        kind, digest = FILE, b""
        if name.startswith(_WHITEOUT_MARK):
            if name == _OPAQUE_MARK:
                kind, key = OPAQUE, parent
            elif name.startswith(b".wh..wh."):
                # aufs' own bookkeeping: it hides nothing.
                return
            else:
                kind, key = WHITEOUT, parent + separator + name[len(_WHITEOUT_MARK) :]
        elif entry.is_directory:
            kind = DIRECTORY
        elif entry.size >= DUPLICATE_FLOOR:
            digest = _digest(entry.body)
        self.files += kind == FILE
        self._entries += 1
        self._runs.add((key, self._entries, kind, entry.size, digest))

    def close(self) -> None:
        self._runs.close_run()

    def ranked(self, rank: int) -> list[Iterator[tuple[Any, ...]]]:
        """The records as `(key, rank, order, kind, size, digest)`, in sorted streams, for a merge."""
        return [_with_rank(stream, rank) for stream in self._runs.streams()]


def read_layer(stream: ByteStream) -> LayerIndex:
    """Read an unpacked layer archive to its end."""
    index = LayerIndex()
    for entry in entries(stream):
        index.add(entry)
    index.close()
    return index


def path_key(path: bytes) -> bytes:
    """A sort key for `./usr/bin/`, `/usr/bin` and `usr/bin` alike."""
    while path.startswith((b"./", b"/")):
        path = path[path.index(b"/") + 1 :]
    path = path.rstrip(b"/")
    return b"" if path == b"." else path.replace(b"/", _SEPARATOR)


def key_path(key: bytes) -> str:
    """The absolute path of a key, as text that any report can hold."""
    return "/" + key.replace(_SEPARATOR, b"/").decode("utf-8", "backslashreplace")


def _digest(body: ByteStream) -> bytes:
    sha = hashlib.sha1(usedforsecurity=False)
    for view in body.rest():
        sha.update(view)
    return sha.digest()[:10]


def _with_rank(stream: Iterator[tuple[Any, ...]], rank: int) -> Iterator[tuple[Any, ...]]:
    for key, order, kind, size, digest in stream:
        yield key, rank, order, kind, size, digest
