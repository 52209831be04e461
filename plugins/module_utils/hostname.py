# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Host names as every way to publish takes them, internationalised ones in their ASCII form."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from encodings import idna

from .errors import UserError

_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ADDRESS = re.compile(r"[\d.]+")
_PREFIX = "xn--"
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
# What the two editions of IDNA make different names of: the browser's and this one's would not be the same.
_DISPUTED = "\u00df\u03c2\u200c\u200d"
# Scripts that are written together; any other mixture in one label is a lookalike or a mistake.
_TOGETHER = (
    {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "LATIN"},
    {"CJK", "HANGUL", "LATIN"},
    {"CJK", "BOPOMOFO", "LATIN"},
)


def host_name(value: str, where: str) -> str:
    """The name in lower case and ASCII, without the root's dot.

    Args:
        value: As a person wrote it.
        where: The setting, for the message.

    Raises:
        UserError: It is no host name.
    """
    labels = [_ascii(label, value, where) for label in _DOTS.split(value.lower().rstrip("."))]
    name = ".".join(labels)
    if not _NAME.fullmatch(name) or _ADDRESS.fullmatch(name):
        raise UserError(
            f"{where}: {value!r} is not a domain name; write one such as crm.example.com, without https://."
        )
    return name


def _ascii(label: str, value: str, where: str) -> str:
    """The ASCII form of a label in lower case."""
    wrong = f"{where}: {value!r} is not a domain name: "
    if label.isascii():
        try:
            label.removeprefix(_PREFIX).encode("ascii").decode("punycode" if label.startswith(_PREFIX) else "ascii")
        except UnicodeError:
            raise UserError(f"{wrong}{label!r} is the ASCII form of no name.")
        return label
    written = unicodedata.normalize("NFC", label)
    if any(char in _DISPUTED for char in written):
        raise UserError(f"{wrong}{label!r} has a letter of which browsers make several names; write the form in ASCII.")
    scripts = {unicodedata.name(char, "UNKNOWN").split()[0] for char in written if char.isalpha()}
    if len(scripts) > 1 and not any(scripts <= usual for usual in _TOGETHER):
        raise UserError(f"{wrong}{label!r} mixes the scripts {', '.join(sorted(scripts)).lower()}.")
    try:
        if idna.nameprep(written) != written:
            raise UnicodeError
        return idna.ToASCII(written).decode("ascii")
    except UnicodeError:
        raise UserError(f"{wrong}{label!r} cannot be written in ASCII; write its form that begins with {_PREFIX}.")


def is_address(value: str) -> bool:
    """Whether this is an IP address."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
