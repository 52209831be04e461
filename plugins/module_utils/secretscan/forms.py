# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The forms in which a value leaks, as bytes of which one stands wherever it does."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote, quote_plus

_RUN = re.compile(r"[A-Za-z0-9]+")
_ESCAPE = re.compile(r"%[0-9A-F]{2}")
# A run that stands by itself for its value, and one that does where its code makes a longer text of it.
_TELLING_RUN = 8
_CODED_RUN = 5
_LONGEST_LITERAL = 64
# So much of a spelling is as rare as the whole, and many spellings begin alike.
_SPELLED = 12
# What is coded is cut into lines of 60 characters or more: of so many bytes, one half stays whole.
_CODED = {"base64": 40, "base32": 36, "hex": 28}
# The end of a line stands behind one half of these bytes or the other.
_DUMPED = 8


class Form(NamedTuple):
    """Bytes of which a log holds some whenever it holds a value."""

    text: bytes
    # What one must decode to see the value, in `decode.CODES`; empty for escapes only.
    code: str

    @property
    def caseless(self) -> bool:
        """Whether its letters mean the same in either case, and so may stand in any mixture of them."""
        return self.code not in ("", "base64")


def forms(value: str) -> Iterator[Form]:
    """Some of these stand in every form of a value.

    The longest run of letters and digits is the same raw, in JSON, in a URL, in HTML and in a shell's quotes,
    and its bytes make the same base64, base32 and hex whatever stands around them.
    """
    run = max(_RUN.findall(value), key=len, default="")[:_LONGEST_LITERAL]
    if len(run) >= _TELLING_RUN:
        yield Form(run.encode(), "")
        cores = {run}
    else:
        for text in _spellings(value):
            yield Form(text.encode("utf-8", "replace")[:_SPELLED], "")
        cores = {value, _json(value), _json_ascii(value)}
        if len(run) >= _CODED_RUN:
            yield from _coded(run.encode(), whole=True)
    for core in cores:
        yield from _coded(core.encode("utf-8", "replace"), whole=False)


def _coded(core: bytes, whole: bool) -> Iterator[Form]:
    """What a text's bytes are in each code; by halves, one of which stands if the end of a line divides them."""
    encoders: dict[str, Callable[[bytes], Iterator[bytes]]] = {
        "base64": _base64,
        "base32": _base32,
        "hex": lambda text: iter((text.hex().encode(),)),
    }
    for code, encode in encoders.items():
        for text in encode(core[: _CODED[code]]):
            middle = 0 if whole else len(text) // 2
            for half in {text[middle:], text[:middle] or text}:
                yield Form(half if code == "base64" else half.lower(), code)
    if not whole:
        for dumped in _dumped(core[:_DUMPED].hex()):
            yield Form(dumped.encode(), "dump")


def _base64(value: bytes) -> Iterator[bytes]:
    """The characters that a value fixes at each of the three places where it may begin."""
    for before in range(3):
        encoded = _fixed(base64.b64encode(b"\0" * before + value + b"\0\0"), before, len(value), 6)
        yield encoded
        yield encoded.translate(bytes.maketrans(b"+/", b"-_"))


def _base32(value: bytes) -> Iterator[bytes]:
    for before in range(5):
        yield _fixed(base64.b32encode(b"\0" * before + value + b"\0" * 4), before, len(value), 5)


def _fixed(encoded: bytes, before: int, length: int, bits: int) -> bytes:
    """Without the characters that mix with what stands before or follows."""
    return encoded[-(-before * 8 // bits) : (before + length) * 8 // bits]


def _dumped(digits: str) -> Iterator[str]:
    """Four bytes as hexdump -C writes them, and as xxd does at an even and at an odd place of a line."""
    pairs = [digits[place : place + 2] for place in range(0, len(digits), 2)]
    yield " ".join(pairs[:4])
    yield " ".join(pairs[4:8])
    for first in (0, 1, 3, 4):
        one, two, three, four = pairs[first : first + 4]
        yield f"{one}{two} {three}{four}"


def _spellings(value: str) -> set[str]:
    """A value without a long run, written out as each kind of log writes it."""
    # Slow to import, and few values need it.
    import html

    shell = shlex.quote(value)
    percent = quote(value, safe="")
    once = {
        value,
        percent,
        quote(value),
        quote_plus(value),
        # As encodeURIComponent() does, and as servers that write the digits small.
        quote(value, safe="!'()*"),
        _ESCAPE.sub(lambda escape: escape[0].lower(), percent),
        quote(percent, safe=""),
        quote(_json(value), safe=""),
        quote(_json_ascii(value), safe=""),
        html.escape(value),
        html.escape(value).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
        shell[1:-1] if shell[0] == "'" else shell,
        # In the quotes of SQL and of YAML, and with the slashes of either's.
        value.replace("'", "''"),
        re.sub(r"(['\"\\])", r"\\\1", value),
        value.replace("'", "\\'"),
        value.replace('"', '""'),
        re.sub(r"([^\w@%+=:,./-])", r"\\\1", value),
        re.sub(r'([$`"\\!])', r"\\\1", value),
        re.sub(r'([$`"\\])', r"\\\1", value),
        # As Compose and Dokploy write an .env, and Python its texts and bytes.
        value.replace("$", "$$"),
        ascii(value)[1:-1],
        repr(value.encode("utf-8", "replace"))[2:-1],
    }
    spellings = set(once)
    for _level in range(3):
        once = {
            escape(text) for text in once for escape in (_json, _json_ascii, _json_html, _json_html_ascii, _json_slash)
        }
        spellings |= once
    return spellings


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _json_ascii(text: str) -> str:
    return json.dumps(text)[1:-1]


def _json_html(text: str) -> str:
    """As Go writes JSON, and Docker its logs."""
    return _without_tags(_json(text))


def _json_html_ascii(text: str) -> str:
    return _without_tags(_json_ascii(text))


def _json_slash(text: str) -> str:
    return _json(text).replace("/", "\\/")


def _without_tags(text: str) -> str:
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
