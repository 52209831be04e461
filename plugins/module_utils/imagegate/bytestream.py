# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bytes that arrive in pieces, read in the portions that a format asks for, without copying what is large."""

from __future__ import annotations

import shutil
import subprocess
import threading
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Any, TypeVar, cast

from ..errors import ShortStreamError, UserError

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_PIECE = 1 << 18
# A member of a gzip file hands back what it did not need, by copying it: pieces of this size keep that small.
_GZIP_PIECE = 1 << 15
# No layer that anybody builds is larger; what unpacks to more is made to fill the machine's time.
_MOST_UNPACKED = 256 << 30


_Bytes = TypeVar("_Bytes", bytes, memoryview)


class ByteStream:
    """A forward-only reader over pieces of bytes."""

    def __init__(self, pieces: Iterable[bytes | memoryview]) -> None:
        self._pieces = iter(pieces)
        self._current = memoryview(b"")
        self._at = 0

    def _more(self) -> bool:
        """Go to the next piece that is not empty; false at the end."""
        for piece in self._pieces:
            if len(piece):
                self._current, self._at = memoryview(piece), 0
                return True
        return False

    def portions(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes, in views that stay valid until the following one is asked for."""
        while size:
            left = len(self._current) - self._at
            if not left:
                if not self._more():
                    raise ShortStreamError
                continue
            step = min(size, left)
            view = self._current[self._at : self._at + step]
            self._at += step
            size -= step
            yield view

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        end = self._at + size
        if end <= len(self._current):
            taken = bytes(self._current[self._at : end])
            self._at = end
            return taken
        return b"".join(self.portions(size))

    def peek(self, size: int) -> bytes:
        """Up to `size` bytes, left in place; fewer only at the end of the stream."""
        while len(self._current) - self._at < size:
            rest = bytes(self._current[self._at :])
            if not self._more():
                self._current, self._at = memoryview(rest), 0
                break
            self._current = memoryview(rest + bytes(self._current))
        return bytes(self._current[self._at : self._at + size])

    def skip(self, size: int) -> None:
        for _view in self.portions(size):
            pass

    def drain(self) -> None:
        """Read to the end, so that whoever writes is not cut off."""
        self._at = len(self._current)
        while self._more():
            pass

    def put_back(self, size: int) -> None:
        """Return the last `size` bytes of the view that was given out last."""
        self._at -= size

    def rest(self, most: int = 1 << 20) -> Iterator[memoryview]:
        """What is left, in pieces of at most so many bytes."""
        while True:
            if self._at < len(self._current):
                view = self._current[self._at : self._at + most]
                self._at += len(view)
                yield view
            elif not self._more():
                return


def hashing(pieces: Iterable[_Bytes], into: Any) -> Iterator[_Bytes]:
    """The pieces, each after it went into the digest."""
    for piece in pieces:
        into.update(piece)
        yield piece


def compression(head: bytes) -> str:
    """`gzip`, `zstd` or `none`, by the first bytes."""
    if head.startswith(_GZIP):
        return "gzip"
    return "zstd" if head.startswith(_ZSTD) else "none"


def unpacked(stream: ByteStream) -> ByteStream:
    """The stream itself, or what it unpacks to when it is compressed."""
    kind = compression(stream.peek(4))
    if kind == "gzip":
        return ByteStream(_bounded(_gunzip(stream)))
    if kind == "zstd":
        return ByteStream(_bounded(_unzstd(stream)))
    return stream


def _bounded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > _MOST_UNPACKED:
            raise UserError(f"a layer or archive unpacks to more than {_MOST_UNPACKED >> 30} GiB; build it smaller")
        yield piece


def _gunzip(stream: ByteStream) -> Iterator[bytes]:
    """Gzip members may follow each other; what is behind the last one is padding."""
    while stream.peek(2) == _GZIP:
        decoder = zlib.decompressobj(wbits=31)
        for view in stream.rest(_GZIP_PIECE):
            data: bytes | memoryview = view
            while data and not decoder.eof:
                try:
                    yield decoder.decompress(data, _PIECE)
                except zlib.error:
                    raise ShortStreamError
                data = decoder.unconsumed_tail
            if decoder.eof:
                stream.put_back(len(decoder.unused_data))
                break
        if not decoder.eof:
            raise ShortStreamError


def _unzstd(stream: ByteStream) -> Iterator[bytes]:
    """Through the zstd program: Python brings zstd only from 3.14 on."""
    program = shutil.which("zstd")
    if program is None:
        raise UserError("a layer is compressed with zstd: install the zstd package where the gate runs")
    with subprocess.Popen(
        [program, "-dcq"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        source, sink = cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stdin)
        feeder = threading.Thread(target=_feed, args=(stream, sink), daemon=True)
        feeder.start()
        try:
            while piece := source.read(_PIECE):
                yield piece
            feeder.join()
            if process.wait():
                raise ShortStreamError
        finally:
            process.kill()


def _feed(stream: ByteStream, pipe: IO[bytes]) -> None:
    try:
        for view in stream.rest():
            pipe.write(view)
    except (OSError, ShortStreamError):
        pass
    finally:
        pipe.close()
