# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a text says under the escapes it wears in a log."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote, unquote_plus

# Texts that are looked at for one record, however many escapes it piles up.
_MOST_TEXTS = 16
_MOST_THOROUGH = 96

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_JSON = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_JSON_CHARS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_URL = re.compile(r"%[0-9a-fA-F]{2}")
_HTML = re.compile(r"&(?:#\d|#x[0-9a-fA-F]|[a-zA-Z]{2,8};)")
_SHELL = re.compile(r"\\(.)", re.DOTALL)
# As C, Python and YAML write what is no letter.
_C = re.compile(r"\\(?:x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8}))")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{11,}={0,2}")
_BASE32 = re.compile(r"[A-Za-z2-7]{13,}")
_HEX = re.compile(r"[0-9a-fA-F]{16,}")
# A line of a hexadecimal dump: its bytes by ones, with two blanks in the middle, or by twos.
_DUMP = re.compile(
    r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}(?: {1,2}[0-9a-fA-F]{2}){0,15}"
    r"|[0-9a-fA-F]{4}(?: [0-9a-fA-F]{4}){0,7}(?: [0-9a-fA-F]{2})?)(?![0-9a-fA-F])"
)
_DUMP_PLACE = re.compile(r"[0-9a-fA-F]{7,8}:? ")
_FROM_URL_SAFE = str.maketrans("-_", "+/")


def strip_ansi(text: str) -> str:
    """The text without the terminal's colour and cursor sequences."""
    return _ANSI.sub("", text) if "\x1b" in text else text


def unescape_json(text: str) -> str:
    """The text with the escapes of a JSON string resolved, also when it is only a piece of one."""
    if "\\" not in text:
        return text
    text = _JSON.sub(_json_char, text)
    if not text.isascii() and _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _json_char(match: re.Match[str]) -> str:
    code, char = match.groups()
    return chr(int(code, 16)) if code else _JSON_CHARS.get(char, char)


def _unescape_url(text: str) -> str:
    if "%" not in text or not _URL.search(text):
        return text
    plain = unquote(text)
    # %DB_NAME% is a variable of Windows, no escape: its bytes are no UTF-8.
    return text if "\ufffd" in plain and "\ufffd" not in text else plain


def _unescape_html(text: str) -> str:
    if "&" not in text or not _HTML.search(text):
        return text
    # Its table of names takes as long to load as a megabyte to scan.
    import html

    return html.unescape(text)


def _unescape_form(text: str) -> str:
    return unquote_plus(text) if "+" in text else text


def _join_quotes(text: str) -> str:
    """A quote within the quotes of a shell, which know no other escape."""
    return text.replace("'\\''", "'").replace("'\"'\"'", "'")


def _unquote_shell(text: str) -> str:
    return _SHELL.sub(r"\1", text) if "\\" in text else text


def _unescape_c(text: str) -> str:
    if "\\x" not in text and "\\U" not in text:
        return text
    plain = _C.sub(lambda match: chr(int(match[1] or match[2], 16) % 0x110000), text)
    # Bytes of UTF-8, each written by itself.
    with contextlib.suppress(UnicodeError):
        return plain.encode("latin-1").decode()
    return plain


def _undouble_single(text: str) -> str:
    return text.replace("''", "'")


def _undouble(text: str) -> str:
    """As in CSV, Compose's .env and templates."""
    return text.replace('""', '"').replace("$$", "$")


_PLAIN = (unescape_json, _unescape_url, _unescape_html)
_ALL = (*_PLAIN, _unescape_form, _join_quotes, _unquote_shell, _undouble_single, _undouble, _unescape_c)


def texts(text: str, thorough: bool = False) -> Iterator[str]:
    """The text, and what it says with one escape after another taken off, the likely first.

    Args:
        text: What was logged.
        thorough: Also take off the quoting of forms, shells, SQL and YAML, which changes harmless text as well.
    """
    steps: tuple[Callable[[str], str], ...] = _ALL if thorough else _PLAIN
    most = _MOST_THOROUGH if thorough else _MOST_TEXTS
    seen = {text}
    queue = [text]
    for current in queue:
        yield current
        for step in steps:
            # A colour comes to light with the escapes before it.
            plain = strip_ansi(step(current))
            if plain not in seen and len(queue) < most:
                seen.add(plain)
                queue.append(plain)


def from_base64(text: str) -> Iterator[str]:
    """What the base64 in a text says, wherever in a run of its characters it may begin."""
    # The longest first: that is no word, and what is asked for is likely in it.
    for found in sorted(_BASE64.findall(text), key=len, reverse=True):
        run = found.rstrip("=").translate(_FROM_URL_SAFE)
        for shift in range(4):
            piece = run[shift:]
            piece = piece[: len(piece) - (len(piece) % 4 == 1)]
            try:
                decoded = base64.b64decode(piece + "=" * (-len(piece) % 4))
            except binascii.Error:
                continue
            yield decoded.decode("utf-8", "replace")


def from_hex(text: str) -> Iterator[str]:
    """What the hexadecimal digits in a text say."""
    for match in _HEX.finditer(text):
        for run in (match[0], match[0][1:]):
            yield bytes.fromhex(run[: len(run) // 2 * 2]).decode("utf-8", "replace")


def _from_base32(text: str) -> Iterator[str]:
    for found in sorted(_BASE32.findall(text), key=len, reverse=True):
        for shift in range(8):
            piece = found[shift:].upper()
            piece = piece[: len(piece) // 8 * 8 + _WHOLE_BASE32[len(piece) % 8]]
            yield base64.b32decode(piece + "=" * (-len(piece) % 8)).decode("utf-8", "replace")


# Of so many characters, how many make whole bytes.
_WHOLE_BASE32 = (0, 0, 2, 2, 4, 5, 5, 7)
CODES: dict[str, Callable[[str], Iterator[str]]] = {
    "base64": from_base64,
    "base32": _from_base32,
    "hex": from_hex,
}


def joined(lines: list[str]) -> Iterator[str]:
    """Lines as one, as what is coded was before it was cut: as they are, and without what stands before each."""
    yield "".join(line.strip() for line in lines)
    yield "".join(line.split()[-1] for line in lines if line.strip())


def from_dump(lines: list[str]) -> str:
    """What the lines of a hexadecimal dump say together, their places and the texts beside them left out."""
    digits = ""
    for line in lines:
        place = _DUMP_PLACE.search(line)
        found = _DUMP.search(line, place.end() if place else 0)
        digits += found[0].replace(" ", "") if found else ""
    return bytes.fromhex(digits).decode("utf-8", "replace")
