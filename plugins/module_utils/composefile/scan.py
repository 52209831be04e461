# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every variable of the raw files: where it stands, and what takes its place when nobody sets it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A variable of a container, rather than a port, an image or a path.
_ENVIRONMENT = re.compile(r"\s*(-\s+)?[\"']?[A-Z_][A-Z0-9_.-]*[\"']?\s*[=:]")
_KEY = re.compile(r"\s*(?:-\s+)?[\"']?([\w.-]+)[\"']?\s*:(?:\s|$)")
_MOUNT = re.compile(r"\s*(-\s+[\"']?[^\s:]*\$.*:/|(-\s+)?(source|device):)")
# Longer ones are texts of their own; what is shown of them is their beginning.
_LONGEST = 1000
Kind = Literal["", "variable", "mount"]
_OPERATORS = (":-", "-", ":?", "?", ":+", "+")


@dataclass(frozen=True)
class Variable:
    """One `${…}`."""

    name: str
    file: str
    line: int
    operator: str = ""
    argument: str = ""
    """Default, message or replacement, as it is written."""
    key: str = ""
    """The key of the line that it stands in."""
    kind: Kind = ""
    """What the line looks like: a variable of a container, which may well be blank, or a mount."""

    @property
    def required(self) -> bool:
        return self.operator in (":?", "?")

    @property
    def default(self) -> str | None:
        """What it is when nobody sets it; None where it then is blank, or an error, or replaced."""
        return self.argument if self.operator in (":-", "-") else None

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


def variables(texts: Mapping[str, str]) -> list[Variable]:
    """Of files by name, in the order in which they stand; comments are left out."""
    return [found for file, text in texts.items() for found in _of_file(file, text)]


def _of_file(file: str, text: str) -> Iterable[Variable]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        yield from _of_line(_without_comment(line), file, number)


def _without_comment(line: str) -> str:
    """What stands before a comment; a # in quotes, or without a blank before it, begins none."""
    quote = ""
    for index, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char if not index or line[index - 1] in " \t[{,:-" else ""
        elif char == "#" and line[index - 1 : index] in (" ", "\t"):
            return line[:index]
    return line


def _of_line(line: str, file: str, number: int) -> Iterable[Variable]:
    key, kind, at = _KEY.match(line), _kind(line), 0
    about, closing = key[1] if key else "", _closing(line)
    while (at := line.find("$", at)) >= 0:
        following = line[at + 1 : at + 2]
        if following == "$":
            at += 2
            continue
        start = at + 2 if following == "{" else at + 1
        name = _NAME.match(line, start)
        at = name.end() if name else at + 1
        if not name:
            continue
        if following != "{":
            yield Variable(name[0], file, number, "", "", about, kind)
            continue
        operator = next((o for o in _OPERATORS if line.startswith(o, at)), "")
        begin = at + len(operator)
        argument = line[begin : min(closing.get(start - 1, len(line)), begin + _LONGEST)]
        yield Variable(name[0], file, number, operator, argument, about, kind)
        # What stands in a default is found as the search goes on.
        at += len(operator)


def _kind(line: str) -> Kind:
    if _ENVIRONMENT.match(line):
        return "variable"
    return "mount" if _MOUNT.match(line) else ""


def _closing(line: str) -> dict[int, int]:
    """Where the brace closes that each `${` opens; in one pass, whatever the depth."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for index, char in enumerate(line):
        if char == "{":
            opened.append(index)
        elif char == "}" and opened:
            found[opened.pop()] = index
    return found
