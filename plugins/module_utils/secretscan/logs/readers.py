# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What blocks are read from: a file, a gzipped file, bytes in memory.

Files are held open, so that one which rotation renames, zips or deletes is read to its end all the same. They
are read with pread, not mmap: a live log that is truncated would kill the process.
"""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path
from typing import Protocol

_CHUNK = 1 << 16
_GZIP = b"\x1f\x8b"


class Reader(Protocol):
    """Something to read from its beginning, or from an offset."""

    def readinto(self, view: memoryview) -> int:
        """Fill the view; 0 at the end."""


class FileReader:
    """A plain file, read up to where it ends when the end is reached."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._offset = offset
        self.truncated = False

    def start_at(self, offset: int) -> None:
        """Read on from an offset."""
        self._offset = offset
        self.truncated = False

    def readinto(self, view: memoryview) -> int:
        """Fill the view; also 0 when the file has been truncated below the place reached."""
        count = os.preadv(self._file, [view], self._offset)
        if count == 0 and self.size < self._offset:
            self.truncated = True
        self._offset += count
        return count

    @property
    def size(self) -> int:
        """How long the file is now."""
        return os.fstat(self._file).st_size

    @property
    def inode(self) -> int:
        """What stays the same when the file is renamed."""
        return os.fstat(self._file).st_ino

    def head(self, length: int) -> bytes:
        """The file's first bytes."""
        return os.pread(self._file, length, 0)

    def before(self, offset: int, length: int) -> bytes:
        """Up to so many bytes before an offset."""
        start = max(0, offset - length)
        return os.pread(self._file, offset - start, start)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)


class GzipReader:
    """A gzipped file; what a broken one holds up to the fault is read, and the fault is kept."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._file = path.open("rb")
        self.fault = ""
        self.start_at(offset)

    def start_at(self, offset: int) -> None:
        """Read from an offset of what is unzipped."""
        self._file.seek(0)
        self._unzip = zlib.decompressobj(wbits=31)
        self._skip = offset

    def readinto(self, view: memoryview) -> int:
        """Fill the view with what is unzipped."""
        while True:
            data = self._next(len(view) + min(self._skip, _CHUNK))
            if not data:
                return 0
            dropped = min(self._skip, len(data))
            self._skip -= dropped
            if len(data) > dropped:
                view[: len(data) - dropped] = data[dropped:]
                return len(data) - dropped

    def _next(self, most: int) -> bytes:
        while not self.fault:
            source = self._unzip.unconsumed_tail or self._unzip.unused_data or self._file.read(_CHUNK)
            if not source:
                return b""
            if self._unzip.eof:
                self._unzip = zlib.decompressobj(wbits=31)
            try:
                data = self._unzip.decompress(source, most)
            except zlib.error as error:
                self.fault = str(error)
                return b""
            if data:
                return data
        return b""

    @property
    def size(self) -> int:
        """How long the file is, zipped."""
        return os.fstat(self._file.fileno()).st_size

    @property
    def inode(self) -> int:
        """What stays the same when the file is renamed."""
        return os.fstat(self._file.fileno()).st_ino

    def head(self, length: int) -> bytes:
        """The first bytes of what is unzipped; fewer of a broken file."""
        try:
            return zlib.decompressobj(wbits=31).decompress(os.pread(self._file.fileno(), _CHUNK, 0), length)
        except zlib.error:
            return b""

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()


class BytesReader:
    """Text already in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readinto(self, view: memoryview) -> int:
        """Fill the view."""
        return self._data.readinto(view)


def open_log(path: Path) -> FileReader | GzipReader:
    """A reader for a log file, by what it holds rather than by its name; raises OSError."""
    plain = FileReader(path)
    return GzipReader(path) if plain.head(2) == _GZIP else plain
