# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What blocks are read from: a file, a packed file, bytes in memory.

Files are held open, so that one which rotation renames, zips or deletes is read to its end all the same. They
are read with pread, not mmap: a live log that is truncated would kill the process.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Protocol

from . import unpacking


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


class PackedReader:
    """A file whose text must be unpacked; what a broken one holds up to the fault is read, and the fault is kept."""

    def __init__(self, path: Path, unpack: unpacking.Unpack) -> None:
        self._file = path.open("rb")
        self._unpack = unpack
        self.fault = ""
        self.start_at(0)

    def start_at(self, offset: int) -> None:
        """Read from an offset of what is unpacked."""
        self._file.seek(0)
        self._pieces = self._unpack(self._file)
        self._rest = b""
        self._skip = offset

    def readinto(self, view: memoryview) -> int:
        """Fill the view with what is unpacked."""
        while not self._rest:
            piece = self._next()
            if piece is None:
                return 0
            dropped = min(self._skip, len(piece))
            self._skip -= dropped
            self._rest = piece[dropped:]
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _next(self) -> bytes | None:
        try:
            return next(self._pieces, None)
        except unpacking.FAULTS as error:
            self.fault = str(error) or type(error).__name__
            return None

    @property
    def size(self) -> int:
        """How long the file is, packed."""
        return os.fstat(self._file.fileno()).st_size

    @property
    def inode(self) -> int:
        """What stays the same when the file is renamed."""
        return os.fstat(self._file.fileno()).st_ino

    def head(self, length: int) -> bytes:
        """The first bytes of what is unpacked; fewer of a broken file. Reading starts anew."""
        self.start_at(0)
        head = b""
        while len(head) < length and (piece := self._next()) is not None:
            head += piece
        self.start_at(0)
        self.fault = ""
        return head[:length]

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


def open_log(path: Path) -> FileReader | PackedReader:
    """A reader for a log file, by what it holds rather than by its name; raises OSError."""
    plain = FileReader(path)
    unpack = unpacking.of(plain.head(unpacking.TELLING))
    return PackedReader(path, unpack) if unpack else plain
