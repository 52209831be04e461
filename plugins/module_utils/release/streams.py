# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Streams between a process and whoever takes or gives its bytes, block by block, without a copy on the disk."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

_BLOCK = 1 << 20
# Half the size of none at a tenth of the time of the highest.
_LEVEL = 3


class Writer(Protocol):
    """Where a stream goes; it counts once it is committed."""

    def write(self, block: bytes) -> None: ...

    def commit(self) -> dict[str, Any]:
        """It is whole: its size and digest."""

    def abort(self) -> None:
        """It is not, and shall leave nothing."""


class Digest:
    """Size and digest of what flows by."""

    def __init__(self) -> None:
        self._sha256, self._bytes = hashlib.sha256(), 0

    def feed(self, block: bytes) -> None:
        self._sha256.update(block)
        self._bytes += len(block)

    def result(self) -> dict[str, Any]:
        return {"bytes": self._bytes, "sha256": self._sha256.hexdigest()}


class Compressed:
    """A file for root alone, compressed; its digest is that of its bytes on the disk."""

    def __init__(self, path: Path) -> None:
        self._path, self._digest = path, Digest()
        path.touch(mode=0o600)
        self._file = path.open("wb")
        self._gzip = gzip.GzipFile("", "wb", _LEVEL, _Tee(self._file, self._digest), 0)

    def write(self, block: bytes) -> None:
        self._gzip.write(block)

    def commit(self) -> dict[str, Any]:
        self._gzip.close()
        self._file.close()
        return self._digest.result()

    def abort(self) -> None:
        # What a full disk refuses is refused again when the file is closed.
        for stream in (self._gzip, self._file):
            with contextlib.suppress(OSError):
                stream.close()
        self._path.unlink(missing_ok=True)


class _Tee:
    def __init__(self, file: BinaryIO, digest: Digest) -> None:
        self._file, self._digest = file, digest

    def write(self, block: bytes) -> int:
        self._digest.feed(bytes(block))
        return self._file.write(block)

    def flush(self) -> None:
        self._file.flush()


@contextlib.contextmanager
def draining(takers: Sequence[Callable[[bytes], Any]]) -> Iterator[BinaryIO]:
    """A stream for a process to write to; a taker's trouble ends it, and is raised when the process has ended."""
    trouble: list[BaseException] = []
    reading, writing = os.pipe()

    def pump() -> None:
        try:
            with os.fdopen(reading, "rb", buffering=0) as source:
                while block := source.read(_BLOCK):
                    for take in takers:
                        take(block)
        except BaseException as error:
            trouble.append(error)

    thread = threading.Thread(target=pump, daemon=True)
    thread.start()
    try:
        with os.fdopen(writing, "wb", buffering=0) as stream:
            yield stream
    finally:
        thread.join()
    if trouble:
        raise trouble[0]


def giving(path: Path) -> Callable[[], AbstractContextManager[BinaryIO]]:
    """Opens a file for a process to read, unpacked where its name ends in .gz."""

    @contextlib.contextmanager
    def opened() -> Iterator[BinaryIO]:
        if path.suffix != ".gz":
            with path.open("rb") as stream:
                yield stream
            return
        trouble: list[BaseException] = []
        reading, writing = os.pipe()

        def pump() -> None:
            try:
                with os.fdopen(writing, "wb") as target, gzip.open(path) as source:
                    while block := source.read(_BLOCK):
                        target.write(block)
            except BrokenPipeError:
                # Its reader has had enough, and says itself why.
                pass
            except BaseException as error:
                trouble.append(error)

        thread = threading.Thread(target=pump, daemon=True)
        thread.start()
        try:
            with os.fdopen(reading, "rb") as stream:
                yield stream
        finally:
            thread.join()
        if trouble:
            raise trouble[0]

    return opened
