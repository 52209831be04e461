# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rows counted while a dump flows by, and its end looked for: what a proof is held against later."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..errors import StepError

Rows = dict[str, int]
_TABLE = re.compile(rb'(?:"(?:[^"]|"")*"|[^ ."])+(?:\.(?:"(?:[^"]|"")*"|[^ ."])+)?')
_STRING = re.compile(rb"'(?:[^'\\]|\\.)*'")
_INSERT = re.compile(rb"INSERT (?:IGNORE )?INTO `((?:[^`]|``)+)` (?:\(.*?\) )?VALUES")


class Counter:
    """Fed with all blocks of a stream, in their order."""

    def __init__(self) -> None:
        self.rows: Rows = {}
        self.last = b""
        self._rest = b""

    def feed(self, block: bytes) -> None:
        lines = (self._rest + block).split(b"\n")
        self._rest = lines.pop()
        self._take(lines)

    def _take(self, lines: list[bytes]) -> None:
        """Complete lines."""

    def finish(self) -> None:
        """The stream is at its end.

        Raises:
            StepError: It ended early.
        """


class Text(Counter):
    """A text that ends with a line of its own."""

    def __init__(self, end: bytes) -> None:
        super().__init__()
        self._end, self._ended = end, False

    def _take(self, lines: list[bytes]) -> None:
        self._ended = self._ended or any(line.startswith(self._end) for line in lines)

    def finish(self) -> None:
        self._take([self._rest])
        if not self._ended:
            raise StepError("the dump ends early")


class Copied(Text):
    """PostgreSQL's plain dump: a row is a line between COPY and a line with a backslash and a dot."""

    def __init__(self, database: str) -> None:
        super().__init__(b"-- PostgreSQL database dump complete")
        self._database, self._table = database, ""

    def _take(self, lines: list[bytes]) -> None:
        table, rows = self._table, self.rows
        for line in lines:
            if table:
                if line == b"\\.":
                    table = ""
                else:
                    rows[table] += 1
            elif line.startswith(b"COPY ") and line.endswith(b" FROM stdin;"):
                found = _TABLE.match(line, 5)
                table = f"{self._database}.{found[0].decode(errors='replace') if found else '?'}"
                rows.setdefault(table, 0)
            elif line.startswith(self._end):
                self._ended = True
        self._table = table


class Inserted(Text):
    """MySQL's and MariaDB's dump: rows are parentheses of INSERT statements, several in a line or one a line."""

    def __init__(self) -> None:
        super().__init__(b"-- Dump completed")
        self._database, self._table = "", ""

    def _take(self, lines: list[bytes]) -> None:
        for line in lines:
            if self._table:
                self._values(line)
            elif line.startswith(b"USE `"):
                self._database = _bare(line[5:-2])
            elif found := _INSERT.match(line):
                self._table = f"{self._database}.{_bare(found[1])}"
                self._values(line[found.end() :])
            else:
                self._ended = self._ended or line.startswith(self._end)

    def _values(self, line: bytes) -> None:
        bare = _STRING.sub(b"", line)
        self.rows[self._table] = self.rows.get(self._table, 0) + bare.count(b"(")
        if bare.rstrip().endswith(b";"):
            self._table = ""


def _bare(name: bytes) -> str:
    return name.decode(errors="replace").replace("``", "`")


class Begun(Counter):
    """A file of a form that says so in its first bytes."""

    def __init__(self, accepted: Callable[[bytes], bool]) -> None:
        super().__init__()
        self._accepted, self._head = accepted, b""

    def feed(self, block: bytes) -> None:
        self._head = (self._head + block)[:16] if len(self._head) < 16 else self._head

    def finish(self) -> None:
        if not self._accepted(self._head):
            raise StepError("the dump is empty or of another form")


def missing(expected: Rows, found: Rows) -> str:
    """What of the expected rows is not there, in a sentence; empty for none. More than expected is no fault.

    An extension, for one, brings rows of its own that no dump holds.
    """
    short = [(t, n, found.get(t)) for t, n in expected.items() if found.get(t, 0) < n or t not in found]
    if not short:
        return ""
    table, wanted, there = short[0]
    more = f", and {len(short) - 1} more tables" if len(short) > 1 else ""
    return f"{table} has {'no table' if there is None else there} where {wanted} rows were backed up{more}"
