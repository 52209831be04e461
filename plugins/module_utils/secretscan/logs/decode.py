# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a text says under the escapes it wears in a log."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote, unquote_plus

# Texts that are looked at for one record, however many escapes it piles up.
_MOST_TEXTS = 16

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_JSON = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_JSON_CHARS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_URL = re.compile(r"%[0-9a-fA-F]{2}")
_HTML = re.compile(r"&(?:#\d|#x[0-9a-fA-F]|[a-zA-Z]{2,8};)")
_SHELL = re.compile(r"'\\''|'\"'\"'|\\(.)", re.DOTALL)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{11,}={0,2}")
_HEX = re.compile(r"[0-9a-fA-F]{16,}")
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


def _unquote_shell(text: str) -> str:
    if "\\" not in text and "'\"'\"'" not in text:
        return text
    return _SHELL.sub(lambda match: match[1] if match[1] is not None else "'", text)


_PLAIN = (unescape_json, _unescape_url, _unescape_html)
_ALL = (*_PLAIN, _unescape_form, _unquote_shell)


def texts(text: str, thorough: bool = False) -> Iterator[str]:
    """The text, and what it says with one escape after another taken off, the likely first.

    Args:
        text: What was logged.
        thorough: Also take off the quoting of forms and shells, which changes harmless text as well.
    """
    steps: tuple[Callable[[str], str], ...] = _ALL if thorough else _PLAIN
    seen = {text}
    queue = [text]
    for current in queue:
        yield current
        for step in steps:
            # A colour comes to light with the escapes before it.
            plain = strip_ansi(step(current))
            if plain not in seen and len(queue) < _MOST_TEXTS:
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
