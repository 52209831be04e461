# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A log that lies in one file and its rotated predecessors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .blocks import SIZE, FileReader, GzipReader, Reader
from .records import Kind
from .scan import Log, Scanner
from .state import HEAD, State

# An entry of Docker's local driver has its time within so many bytes.
_SHORTEST_HEAD = 64
_ROTATED = re.compile(r"\.(\d+)(?:\.gz)?$")


def chain(path: Path) -> list[Path]:
    """A log file and those rotated away from it, the oldest first."""
    rotated = [
        (int(match[1]), other)
        for other in path.parent.glob(f"{_glob_escape(path.name)}.*")
        if (match := _ROTATED.fullmatch(other.name[len(path.name) :]))
    ]
    older = [other for _number, other in sorted(rotated, key=lambda pair: -pair[0])]
    return [*older, path] if path.exists() else older


def _glob_escape(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


class FileChain:
    """Scans what is new in a log and its rotated files, and remembers how far that was."""

    def __init__(self, scanner: Scanner, state: State) -> None:
        self._scanner = scanner
        self._state = state
        self.notes: list[str] = []

    def scan(self, source: str, path: Path, kind: Kind, stored: dict[str, Any]) -> dict[str, Any]:
        """Scan a chain from where it was left; returns what to remember of it."""
        files = chain(path)
        first, offset = self._left_at(files, stored)
        position: dict[str, Any] = {key: stored[key] for key in ("head", "tail", "offset") if key in stored and files}
        for number, file in enumerate(files[first:]):
            position = self._scan_file(source, file, kind, offset if number == 0 else 0) or position
        # Findings stay open as long as the file that they lie in is there.
        return position | {"files": [self._name(file) for file in files]}

    def _left_at(self, files: list[Path], stored: dict[str, Any]) -> tuple[int, int]:
        """Which file the last scan ended in, and where; the beginning when that file is gone."""
        offset = int(stored.get("offset", 0))
        for number in range(len(files) - 1, -1, -1):
            if offset and self._name(files[number]) == stored["head"]:
                zipped = _is_zipped(files[number])
                if zipped or self._tail(files[number], offset) == stored["tail"]:
                    return number, offset
        return 0, 0

    def _scan_file(self, source: str, file: Path, kind: Kind, offset: int) -> dict[str, Any]:
        try:
            size = file.stat().st_size
            if size == offset:
                return {}
            reader: Reader = GzipReader(file, offset) if _is_zipped(file) else FileReader(file, offset)
        except OSError as error:
            self.notes.append(f"{source}: cannot read {file}: {error.strerror}")
            return {}
        log = Log(source, kind, reader, offset, max(size - offset, 0), self._name(file))
        end = self._scanner.scan(log).resume
        if isinstance(reader, GzipReader) and reader.fault:
            self.notes.append(f"{source}: {file} is damaged: {reader.fault}")
        if isinstance(reader, FileReader) and reader.truncated:
            self.notes.append(f"{source}: {file} was truncated while it was read; it has been read again")
            end = self._scanner.scan(Log(source, kind, FileReader(file), 0, SIZE, log.origin)).resume
        return {"head": self._name(file), "tail": self._tail(file, end), "offset": end}

    def _name(self, file: Path) -> str:
        """Names a file by its first record, zipped or not, wherever rotation moved it; empty for no file."""
        try:
            head = _read(file, 0, HEAD)
        except OSError:
            return ""
        end = head.find(b"\n", _SHORTEST_HEAD)
        return self._state.digest(head[: end + 1] if end >= 0 else head)

    def _tail(self, file: Path, offset: int) -> str:
        """Names what stands before an offset: a file that was written anew has something else there."""
        try:
            start = max(0, offset - HEAD)
            tail = _read(file, start, offset - start)
        except OSError:
            return ""
        return self._state.digest(tail)


def _is_zipped(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _read(path: Path, offset: int, length: int) -> bytes:
    reader = GzipReader(path, offset) if _is_zipped(path) else FileReader(path, offset)
    buffer = bytearray(length)
    with memoryview(buffer) as view:
        return bytes(buffer[: reader.readinto(view)])
