# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a text that has a secret's form is likely to be one: entropy, checksums, and what people write
where a secret would stand."""

from __future__ import annotations

import base64
import binascii
import math
import re
import zlib
from collections.abc import Callable

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# What stands in place of a secret: masks, templates, variables, words of documentation.
_PLACEHOLDER = re.compile(
    r"""(?ix)
    \*{3} | [x•#]{5} | \.\.\. | [<\[{](?:[a-z_ -]+)[>\]}]
    | ^\$ | \$\{ | \$\( | \{\{ | ^%[a-z(] | %\(\w+\)s | ^<
    | change.?me | place.?holder | redacted | \bhidden\b | masked | filtered | sanitized
    | (?:^|[^a-z0-9])(?:your|my|some|the|put|insert|enter)[_-] | (?:^|[^a-z])example(?:[^a-z]|$) | dummy | \btodo\b
    | abcdefghijkl | \.eyJzdWIiOiIxMjM0NTY3ODkw
    """
)
# What providers make tokens and keys of.
_KEY = re.compile(r"[\w.+/=:~!-]+")
# What the documentation of AWS and of JWT gives as examples; that of JWT also as a token's text, above.
_PUBLISHED = ("EXAMPLEKEY", "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c")
# Whatever that pattern matches holds one of these, and if it is all letters and digits, one of the words: to see
# that nothing can match takes a tenth of the pattern's time.
_WORDS = (
    *("xxxxx", "change", "place", "redacted", "hidden", "masked", "filtered", "sanitized", "example", "dummy", "todo"),
    "abcdefghijkl",
)
_HINTS = (
    *_WORDS,
    *("***", "•", "#####", "x#", "#x", "...", "<", "[", "{", "$", "%"),
    *("your", "my_", "my-", "some", "the", "put", "insert", "enter", "eyjzdwiioiixmjm0nty3odkw"),
)
# What a text is shows within so many characters.
_TELLING = 64
# Of a character that stands n times in a text, n log2 n.
_WEIGHT = [n * math.log2(n or 1) for n in range(_TELLING + 1)]
# Within so many characters of base64 the first line of a key ends.
_PEM = 80
_RUN = re.compile(r"(.)\1{4,}", re.DOTALL)
_WORD = re.compile(r"(?i)^[a-z]+(?:'[a-z]+)?[.,:;!?)\]]*$")
# A name in code, each of its words long enough to be one.
_HUMPS = re.compile(r"[A-Za-z][a-z]{1,}(?:[A-Z][a-z]{2,})*(?:[A-Z][a-z]+)")
# Code, not data: a call, an attribute, a path, an address, a number, a version, a date.
_HARMLESS = re.compile(
    r"""(?x)
    ^(?:true|false|null|none|nil|undefined|yes|no|on|off|nan)\b
    | ^[A-Za-z_]+(?:\.[A-Za-z_]+)+\(?$           # object.attribute
    | ^[\w.]*\(                                  # call(
    | ^(?:/|\./|~/|[A-Za-z]:\\)                  # path
    | ^[a-z][a-z0-9+.-]*://                      # address
    | ^[\d.,:+/-]+(?:ms|s|m|h|[kKMG]i?B?)?$      # number, date, duration
    | ^v?\d+\.\d+
    | ^HTTP/\d                                   # what follows an address
    | ^(?:arn:[a-z-]+:|vault:|ref\+|op:|!vault|!secret|projects/)   # where a secret lies
    | ^[a-z_]{3,40}=[^=]                         # the next name and its value
    | ^(?:[a-z]{2,}-){2,}[bcdfghjklmnpqrstvwxz2456789]{5,10}$      # what Kubernetes names
    """
)


def has_entropy(text: str, least: float) -> bool:
    """Whether a text, as far as it takes to tell, has so many bits of Shannon entropy a character."""
    head = text[:_TELLING]
    return _has_entropy(head, least, set(head))


def is_placeholder(text: str) -> bool:
    """Whether the text is what documentation and masking put in a secret's place."""
    head = text[:_TELLING]
    return text.endswith(_PUBLISHED) or _is_placeholder(head, len(set(head)))


def is_random(text: str, least: float) -> bool:
    """Whether a text has so many bits a character and is no placeholder."""
    head = text[:_TELLING]
    chars = set(head)
    if text.endswith(_PUBLISHED) or not _has_entropy(head, least, chars):
        return False
    return not _is_placeholder(head, len(chars))


def _has_entropy(text: str, least: float, chars: set[str]) -> bool:
    size = len(text)
    if not size:
        return False
    # So many different characters may be enough, even if one of them fills all the rest.
    if math.log2(size) - _WEIGHT[size - len(chars) + 1] / size >= least:
        return True
    return math.log2(size) - sum(map(_WEIGHT.__getitem__, map(text.count, chars))) / size >= least


def _is_placeholder(text: str, different: int) -> bool:
    if _is_repetition(text, different):
        return True
    hints = _WORDS if text.isalnum() else _HINTS
    return any(map(text.lower().__contains__, hints)) and bool(_PLACEHOLDER.search(text))


def _is_repetition(text: str, different: int) -> bool:
    """Whether most of a text is the same character time and again."""
    # Runs of five that fill three fifths of a text leave little room for different characters.
    if different * 100 > len(text) * 52 or not _RUN.search(text):
        return False
    return sum(len(run[0]) for run in _RUN.finditer(text)) * 10 >= len(text) * 6


def is_password(text: str) -> bool:
    """A value under a password's name: anything but harmless words, code and placeholders."""
    if len(text) < 6 or is_placeholder(text) or _HARMLESS.match(text):
        return False
    if _WORD.match(text):
        # A sentence goes on ("password: required"); a pass phrase in letters alone is long or mixes cases.
        if len(text) >= 16:
            return True
        return len(text) >= 8 and bool(re.search(r"[a-z][A-Z]+[a-z]", text)) and not _HUMPS.fullmatch(text)
    if re.fullmatch(r"[a-z]+(?:[_.-][a-z]+)*", text) or re.fullmatch(r"[A-Z]+(?:_[A-Z]+)*", text):
        return False
    return has_entropy(text, 2.2)


def is_url_password(text: str) -> bool:
    """Between the user and the @ of an address: anything but a placeholder."""
    return not is_placeholder(text) and text.lower() not in (
        "password",
        "pass",
        "passwd",
        "pwd",
        "secret",
        "pw",
    )


def is_token(text: str) -> bool:
    """A value under a token's or key's name: long, mixed, random."""
    if len(text) < 8 or is_placeholder(text) or _HARMLESS.match(text):
        return False
    if text.isalpha():
        return len(text) >= 32 and not _HUMPS.fullmatch(text) and has_entropy(text, 4.0)
    if _WORD.match(text):
        return False
    if not re.search(r"\d", text) and not (len(text) >= 20 and has_entropy(text, 4.0)):
        return False
    if re.fullmatch(r"[A-Za-z]{2,}(?:[_.-][A-Za-z]{2,})*[_.-]?v?\d{0,3}", text):
        return False
    return has_entropy(text, 2.8 if len(text) < 16 else 3.0)


def is_key(text: str) -> bool:
    """A value under a name that a provider's token or key has: of the characters that those are made of."""
    return bool(_KEY.fullmatch(text)) and is_token(text)


def is_basic(text: str) -> bool:
    """The base64 form of user:password."""
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    user, colon, password = decoded.partition(":")
    return bool(colon) and decoded.isprintable() and len(user + password) >= 4 and is_url_password(password)


def is_pem(text: str) -> bool:
    """Base64 that begins, if not with its first character, as a private key does."""
    head = text.replace("-", "+").replace("_", "/")[:_PEM]
    texts = (
        base64.b64decode(pad + head[: (len(head) + len(pad)) // 4 * 4 - len(pad)]) for pad in ("", "A", "AA", "AAA")
    )
    return any(b"PRIVATE KEY" in decoded for decoded in texts)


def _crc32_base62(token: str) -> bool:
    """The last six characters are the CRC-32, in base 62, of what stands between the prefix and them."""
    body = token.rpartition("_")[2]
    return crc32_base62(body[:-6]) == body[-6:]


def crc32_base62(text: str) -> str:
    """The checksum at the end of a GitHub or npm token."""
    number, digits = zlib.crc32(text.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits.rjust(6, "0")


JUDGES: dict[str, Callable[[str], bool]] = {
    "password": is_password,
    "token": is_token,
    "key": is_key,
    "basic": is_basic,
    "url": is_url_password,
    "pem": is_pem,
}
CHECKS: dict[str, Callable[[str], bool]] = {"crc32-base62": _crc32_base62}
