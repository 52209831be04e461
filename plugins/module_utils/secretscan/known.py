# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The deployment's own secret values: what to search for, and whether a hit really is one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from .forms import Form, forms
from .judge import is_token
from .logs import decode
from .logs.records import Around

# A shorter value stands in every log by chance; masking it would mask everything.
SHORTEST = 8
# Of a value of several lines (a private key), each line that looks random leaks on its own; those of a
# configuration file do not.
_MOST_LINES = 4
# Characters that one of a value may take, its escapes within base64 or hex included, and the characters around it.
_MOST_ENCODED = 16
# What of a line could be a secret by itself.
_PIECE = re.compile(r"[A-Za-z0-9+/=_-]{16,}")


class Literal(NamedTuple):
    """Bytes that stand in a log whenever a secret does, in one of its forms."""

    form: Form
    secrets: tuple[int, ...]

    @property
    def text(self) -> bytes:
        """The bytes."""
        return self.form.text

    @property
    def over_lines(self) -> bool:
        """Whether the value may go on in the records around it, as what is coded is cut into lines."""
        return bool(self.form.code)


class KnownValues:
    """Secret values by name. Their bytes are in memory only: nothing here is printed or written."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        values = {name: value.strip("\n") for name, value in secrets.items()}
        self.too_short = sorted(name for name, value in values.items() if len(value) < SHORTEST)
        self.names = [name for name, value in values.items() if len(value) >= SHORTEST]
        self._parts = [_parts(values[name]) for name in self.names]

    def __len__(self) -> int:
        return len(self.names)

    def parts(self) -> Iterator[str]:
        """Every value, and every line that counts as one."""
        for parts in self._parts:
            yield from parts

    def literals(self) -> list[Literal]:
        """What to search for."""
        found: dict[Form, list[int]] = {}
        for number, parts in enumerate(self._parts):
            for form in {form for part in parts for form in forms(part)}:
                found.setdefault(form, []).append(number)
        return [Literal(form, tuple(secrets)) for form, secrets in sorted(found.items())]

    def find(self, secret: int, text: str, around: Around, literals: Iterable[Literal]) -> str | None:
        """The text, freed of as many escapes as it takes, in which the value stands; None for a chance hit.

        Args:
            secret: The value's number.
            text: What was logged.
            around: And before and after it.
            literals: Those of the value that were found there.
        """
        parts = self._parts[secret]
        if any(part in text for part in parts):
            return text
        return _find_encoded(parts, text, around, literals) or _find_escaped(parts, text, literals)

    def value_in(self, secret: int, text: str) -> str:
        """The value or line of it that stands plainly in a text; the whole value if none does."""
        return next((part for part in self._parts[secret] if part in text), self._parts[secret][0])


def _find_escaped(parts: list[str], text: str, literals: Iterable[Literal] = ()) -> str | None:
    for plain in decode.texts(text, thorough=True):
        if any(part in plain for part in parts):
            return plain
    # In a long text full of escapes, those around the value itself come too late.
    reach = _MOST_ENCODED * max(map(len, parts))
    for near in _around(literals, text, reach):
        if len(near) < len(text) and _find_escaped(parts, near):
            return text
    return None


def _find_encoded(parts: list[str], text: str, around: Around, literals: Iterable[Literal]) -> str | None:
    """The text in which a value stands in base64, base32, hex or a hexadecimal dump, also over several lines."""
    reach = _MOST_ENCODED * max(map(len, parts))
    by_code: dict[str, list[Literal]] = {}
    for literal in literals:
        if literal.form.code:
            by_code.setdefault(literal.form.code, []).append(literal)
    for code, found in by_code.items():
        if code == "dump":
            if _says(parts, [decode.from_dump([*around.before(), text, *around.after()])]):
                return text
            continue
        for plain in decode.texts(text):
            if any(_says(parts, decode.CODES[code](near)) for near in _around(found, plain, reach)):
                return plain
        lines = [*around.before(), text, *around.after()]
        if len(lines) > 1 and any(_says(parts, decode.CODES[code](joined)) for joined in decode.joined(lines)):
            return text
    return None


def _says(parts: list[str], contents: Iterable[str]) -> bool:
    """Whether one of the texts holds the value, whatever escapes it wears there."""
    return any(any(part in content for part in parts) or _find_escaped(parts, content) for content in contents)


def _around(literals: Iterable[Literal], text: str, reach: int) -> Iterator[str]:
    """What of a text to decode: as much before and after each literal as its value can take there."""
    for literal in literals:
        spelling = literal.text.decode("utf-8", "replace")
        any_case = re.compile(re.escape(spelling), re.IGNORECASE | re.ASCII) if literal.form.caseless else None
        place = _find(text, spelling, any_case, 0)
        while place >= 0:
            yield text[max(0, place - reach) : place + 2 * reach]
            place = _find(text, spelling, any_case, place + reach)


def _find(text: str, spelling: str, any_case: re.Pattern[str] | None, start: int) -> int:
    if any_case is None:
        return text.find(spelling, start)
    match = any_case.search(text, start)
    return match.start() if match else -1


def _parts(value: str) -> list[str]:
    lines = [line.strip() for line in value.splitlines()] if "\n" in value else []
    body = [line for line in lines if any(map(is_token, _PIECE.findall(line)))]
    return [value, *body[:_MOST_LINES]]
