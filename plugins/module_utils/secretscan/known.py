# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The deployment's own secret values: what to search for, and whether a hit really is one."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from .judge import is_token
from .logs import decode

# A shorter value stands in every log by chance; masking it would mask everything.
SHORTEST = 8
# Of a value of several lines (a private key), each line that looks random leaks on its own; those of a
# configuration file do not.
_MOST_LINES = 4
_LONGEST_LITERAL = 64
# Characters that one of a value may take, its escapes within base64 or hex included, and the characters around it.
_MOST_ENCODED = 16
_RUN = re.compile(r"[A-Za-z0-9]+")
_ESCAPE = re.compile(r"%[0-9A-F]{2}")
# What of a line could be a secret by itself.
_PIECE = re.compile(r"[A-Za-z0-9+/=_-]{16,}")


class Literal(NamedTuple):
    """Bytes that stand in a log whenever a secret does, in one of its forms."""

    text: bytes
    # Hex, in either case.
    caseless: bool
    # Base64 or hex, which one must decode to see the secret.
    encoded: bool
    secrets: tuple[int, ...]


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
        found: dict[tuple[bytes, bool, bool], list[int]] = {}
        for number, parts in enumerate(self._parts):
            for form in {form for part in parts for form in _forms(part)}:
                found.setdefault(form, []).append(number)
        return [Literal(*form, tuple(secrets)) for form, secrets in sorted(found.items())]

    def find(self, secret: int, text: str, literals: Iterable[Literal]) -> str | None:
        """The text, freed of as many escapes as it takes, in which the value stands; None for a chance hit.

        Args:
            secret: The value's number.
            text: What was logged.
            literals: Those of the value that were found there.
        """
        parts = self._parts[secret]
        for part in parts:
            if part in text:
                return text
        encoded = [literal for literal in literals if literal.encoded]
        return (_find_encoded(parts, text, encoded) if encoded else None) or _find_escaped(parts, text)

    def value_in(self, secret: int, text: str) -> str:
        """The value or line of it that stands plainly in a text; the whole value if none does."""
        return next((part for part in self._parts[secret] if part in text), self._parts[secret][0])


def _find_escaped(parts: list[str], text: str) -> str | None:
    for plain in decode.texts(text, thorough=True):
        if any(part in plain for part in parts):
            return plain
    return None


def _find_encoded(parts: list[str], text: str, literals: list[Literal]) -> str | None:
    reach = _MOST_ENCODED * max(map(len, parts))
    for plain in decode.texts(text):
        contents = []
        for literal, near in _around(literals, plain, reach):
            for content in decode.from_hex(near) if literal.caseless else decode.from_base64(near):
                if any(part in content for part in parts):
                    return plain
                contents.append(content)
        for content in contents:
            if _find_escaped(parts, content):
                return plain
    return None


def _around(literals: list[Literal], text: str, reach: int) -> Iterator[tuple[Literal, str]]:
    """What of a text to decode: as much before and after each literal as its value can take there."""
    for literal in literals:
        where = text.lower() if literal.caseless else text
        place = where.find(literal.text.decode())
        while place >= 0:
            yield literal, text[max(0, place - reach) : place + 2 * reach]
            place = where.find(literal.text.decode(), place + reach)


def _parts(value: str) -> list[str]:
    lines = [line.strip() for line in value.splitlines()] if "\n" in value else []
    body = [line for line in lines if any(map(is_token, _PIECE.findall(line)))]
    return [value, *body[:_MOST_LINES]]


def _forms(value: str) -> Iterator[tuple[bytes, bool, bool]]:
    """Literals of which one stands in every form of a value: text, caseless, encoded.

    The longest run of letters and digits is the same raw, in JSON, in a URL, in HTML and in a shell's quotes,
    and its bytes make the same base64 and hex whatever stands around them.
    """
    run = max(_RUN.findall(value), key=len, default="")[:_LONGEST_LITERAL]
    if len(run) >= SHORTEST:
        spellings = cores = {run}
    else:
        spellings = _spellings(value)
        cores = {value, _json(value), _json_ascii(value)}
    for text in spellings:
        yield text.encode("utf-8", "replace"), False, False
    for core in (text.encode("utf-8", "replace")[:_LONGEST_LITERAL] for text in cores):
        for form in _base64_forms(core):
            yield form, False, True
        yield core.hex().encode(), True, True


def _spellings(value: str) -> set[str]:
    """A value without a long run, written out as each kind of log writes it."""
    # Slow to import, and few values need it.
    import html

    shell = shlex.quote(value)
    once = {
        value,
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        # As encodeURIComponent() does, and as servers that write the digits small.
        quote(value, safe="!'()*"),
        _ESCAPE.sub(lambda escape: escape[0].lower(), quote(value, safe="")),
        quote(_json(value), safe=""),
        html.escape(value),
        html.escape(value).replace("&#x27;", "&#39;"),
        shell[1:-1] if shell[0] == "'" else shell,
        re.sub(r"([^\w@%+=:,./-])", r"\\\1", value),
        re.sub(r'([$`"\\!])', r"\\\1", value),
    }
    spellings = set(once)
    for _level in range(3):
        once = {
            escape(text)
            for text in once
            for escape in (_json, _json_ascii, _json_html, lambda text: _json(text).replace("/", "\\/"))
        }
        spellings |= once
    return spellings


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _json_ascii(text: str) -> str:
    return json.dumps(text)[1:-1]


def _json_html(text: str) -> str:
    """As Go writes JSON, and Docker its logs."""
    return _json(text).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _base64_forms(value: bytes) -> Iterator[bytes]:
    """The characters of base64 that a value fixes at each of the three places where it may begin."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + value).rstrip(b"=")
        # The first characters mix with what stands before, the last with what follows.
        first = (0, 2, 3)[before]
        last = len(encoded) - ((before + len(value)) % 3 != 0)
        fixed = encoded[first:last]
        yield fixed
        yield fixed.translate(bytes.maketrans(b"+/", b"-_"))
