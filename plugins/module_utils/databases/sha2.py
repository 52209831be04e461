# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""MySQL's form of a password, `caching_sha2_password`: made here, so that no server log ever sees the password.

It is the SHA-256 form of crypt(3) with a salt of 20 characters and rounds that are counted in thousands.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

_SALT, _THOUSANDS = 20, 5
_DIGITS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEPT = re.compile(rb"\$A\$([0-9A-F]{3})\$(.{20})[./0-9A-Za-z]{43}", re.DOTALL)


def verifier(password: str, salt: bytes = b"", thousands: int = _THOUSANDS) -> bytes:
    """`$A$005$`, the salt, and 43 characters."""
    salt = salt or "".join(secrets.choice(_DIGITS) for _ in range(_SALT)).encode()
    digest = _digest(password.encode(), salt, thousands * 1000)
    return b"$A$%03X$%s%s" % (thousands, salt, _spelt(digest))


def matches(kept: bytes, password: str) -> bool:
    """Whether the server would let this password in."""
    found = _KEPT.fullmatch(kept)
    return found is not None and hmac.compare_digest(kept, verifier(password, found[2], int(found[1], 16)))


def _digest(password: bytes, salt: bytes, rounds: int) -> bytes:
    other = hashlib.sha256(password + salt + password).digest()
    text = password + salt + _filled(other, len(password))
    length = len(password)
    while length:
        text += other if length & 1 else password
        length >>= 1
    digest = hashlib.sha256(text).digest()
    known = _filled(hashlib.sha256(password * len(password)).digest(), len(password))
    seasoned = _filled(hashlib.sha256(salt * (16 + digest[0])).digest(), len(salt))
    for turn in range(rounds):
        parts = known if turn & 1 else digest
        parts += seasoned if turn % 3 else b""
        parts += known if turn % 7 else b""
        digest = hashlib.sha256(parts + (digest if turn & 1 else known)).digest()
    return digest


def _filled(block: bytes, length: int) -> bytes:
    return (block * (length // len(block) + 1))[:length]


def _spelt(digest: bytes) -> bytes:
    """Three bytes in four digits, in the order that crypt(3) has for them."""
    groups = []
    first, second, third = 0, 10, 20
    for _ in range(10):
        groups.append((digest[first] << 16 | digest[second] << 8 | digest[third], 4))
        first, second, third = third + 1, first + 1, second + 1
    groups.append((digest[31] << 8 | digest[30], 3))
    return "".join(_DIGITS[value >> 6 * place & 63] for value, digits in groups for place in range(digits)).encode()
