# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records of an API or of the journal, as blocks are read from."""

from __future__ import annotations

from collections.abc import Iterator

from ..search.blocks import SIZE
from . import records


class Framed:
    """Reads records from an API as lines that hold stream, time and text."""

    def __init__(self, source: Iterator[tuple[str, str, bytes]], last: str) -> None:
        self._source = source
        self._known = last
        self._rest = b""
        self._open: dict[str, bytes] = {}
        self.last = last

    def readinto(self, view: memoryview) -> int:
        """Fill the view with whole records, or with a part of one that is longer."""
        while len(self._rest) < len(view):
            item = next(self._source, None)
            if item is None:
                for stream in list(self._open):
                    self._rest += self._open.pop(stream) + b"\n"
                break
            self._add(*item)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _add(self, stream: str, mark: str, text: bytes) -> None:
        time, _nul, cursor = mark.partition("\0")
        if not cursor:
            moment = records.moment(time)
            if moment <= self._known:
                return
            self.last = max(self.last, moment)
        self.last = cursor or self.last
        ended = bool(cursor) or text.endswith(b"\n")
        # A carriage return or newline inside would look like the record's end.
        text = text.rstrip(b"\r\n").replace(b"\n", b" ")
        line = self._open.pop(stream, None)
        line = f"{stream}\t{time}\t".encode() + text if line is None else line + text
        if ended or len(line) > SIZE:
            self._rest += line + b"\n"
        else:
            self._open[stream] = line
