# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A log that lies in one file and its rotated predecessors."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any, NamedTuple

from ..scan import Log, Scanner
from ..search.blocks import SIZE
from .readers import FileReader, PackedReader, open_log
from .records import Kind
from .state import HEAD, State

# An entry of Docker's local driver has its time within so many bytes.
_SHORTEST_HEAD = 64
# How often to open a chain that is being rotated right then.
_MOST_ATTEMPTS = 5
# What stands behind the name of a log that was rotated away: a number that grows with age, or its day.
_ROTATED = re.compile(
    r"(?:\.(?P<number>\d{1,7})|[.-](?P<day>\d{4}-?\d\d-?\d\d(?:[-_.T]?\d{1,10})?))"
    r"(?P<packed>\.(?:gz|bz2|xz|zst|zip|lz4|Z))?"
)


def rotated_suffix(path: Path, other: Path) -> re.Match[str] | None:
    """What a file's name has after that of the log which it was rotated away from; None for another file."""
    return _ROTATED.fullmatch(other.name[len(path.name) :]) if other.name.startswith(path.name) else None


def chain(path: Path) -> list[Path]:
    """A log file and those rotated away from it, the oldest first."""
    rotated = [
        (match, other)
        for other in path.parent.glob(f"{_glob_escape(path.name)}[.-]*")
        if (match := rotated_suffix(path, other))
    ]
    # While Docker zips a file both forms are there, and only the plain one is whole.
    plain = {_age(match) for match, _other in rotated if not match["packed"]}
    whole = [(_age(match), other) for match, other in rotated if not match["packed"] or _age(match) not in plain]
    older = [other for _age, other in sorted(whole)]
    return [*older, path] if path.exists() else older


def _age(rotated: re.Match[str]) -> tuple[str, int]:
    """By day, then the greatest number first."""
    return (rotated["day"] or "", -int(rotated["number"] or 0))


def _listing(path: Path) -> list[tuple[Path, int]]:
    """The files of a chain, and what tells each from one that takes its name."""
    files = []
    for file in chain(path):
        with contextlib.suppress(FileNotFoundError):
            files.append((file, file.stat().st_ino))
    return files


def _glob_escape(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


class _Opened(NamedTuple):
    """A file of a chain, held open."""

    path: Path
    reader: FileReader | PackedReader
    # Names the file by its first record, zipped or not, wherever rotation moves it.
    name: str


class FileChain:
    """Scans what is new in a log and its rotated files, and remembers how far that was."""

    def __init__(self, scanner: Scanner, state: State) -> None:
        self._scanner = scanner
        self._state = state
        self.notes: list[str] = []

    def scan(self, source: str, path: Path, kind: Kind, stored: dict[str, Any]) -> dict[str, Any]:
        """Scan a chain from where it was left; returns what to remember of it."""
        files = self._open(source, path)
        first, offset = self._left_at(files, stored)
        position: dict[str, Any] = {key: stored[key] for key in ("head", "tail", "offset") if key in stored and files}
        for number, file in enumerate(files[first:]):
            position = self._scan_file(source, file, kind, offset if number == 0 else 0) or position
        # Findings stay open as long as the file that they lie in is there.
        return position | {"files": [file.name for file in files]}

    def _open(self, source: str, path: Path) -> list[_Opened]:
        """All files of a chain as at one moment; what rotation does from then on moves none out of reach."""
        opened: list[_Opened] = []
        notes: list[str] = []
        for _attempt in range(_MOST_ATTEMPTS):
            before = _listing(path)
            opened, notes = [], []
            for file, _inode in before:
                try:
                    reader = open_log(file)
                    opened.append(_Opened(file, reader, self._name(reader)))
                except OSError as error:
                    notes.append(f"{source}: cannot read {file}: {error.strerror}")
            if _listing(path) == before:
                break
        self.notes += notes
        return opened

    def _left_at(self, files: list[_Opened], stored: dict[str, Any]) -> tuple[int, int]:
        """Which file the last scan ended in, and where; the beginning when that file is gone."""
        offset = int(stored.get("offset", 0))
        for number in range(len(files) - 1, -1, -1):
            if offset and files[number].name == stored["head"]:
                reader = files[number].reader
                if isinstance(reader, PackedReader) or self._tail(reader, offset) == stored["tail"]:
                    return number, offset
        return 0, 0

    def _scan_file(self, source: str, file: _Opened, kind: Kind, offset: int) -> dict[str, Any]:
        reader = file.reader
        size = reader.size
        if isinstance(reader, FileReader) and size == offset:
            return {}
        reader.start_at(offset)
        log = Log(source, kind, reader, offset, max(size - offset, 0), file.name)
        end = self._scanner.scan(log).resume
        if isinstance(reader, PackedReader):
            if reader.fault:
                self.notes.append(f"{source}: {file.path} is damaged or cannot be unpacked: {reader.fault}")
            return {"head": file.name, "tail": "", "offset": end}
        if reader.truncated:
            self.notes.append(f"{source}: {file.path} was truncated while it was read; it has been read again")
            reader.start_at(0)
            end = self._scanner.scan(Log(source, kind, reader, 0, SIZE, self._name(reader))).resume
        return {"head": self._name(reader), "tail": self._tail(reader, end), "offset": end}

    def _name(self, reader: FileReader | PackedReader) -> str:
        head = reader.head(HEAD)
        end = head.find(b"\n", _SHORTEST_HEAD)
        return self._state.digest(head[: end + 1] if end >= 0 else head)

    def _tail(self, reader: FileReader, offset: int) -> str:
        """Names what stands before an offset: a file that was written anew has something else there."""
        return self._state.digest(reader.before(offset, HEAD))
