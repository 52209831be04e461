# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL's password verifiers: what a server keeps instead of a password, made here so that it never sees one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import stringprep
import unicodedata

_ITERATIONS = 4096
_SALT = 16
_PROHIBITED = (
    stringprep.in_table_a1,
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def verifier(password: str, salt: bytes = b"", iterations: int = _ITERATIONS) -> str:
    """`SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`, as `ALTER ROLE … PASSWORD` takes it (RFC 5803)."""
    salt = salt or os.urandom(_SALT)
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored)}:{_text(server)}"


def matches(kept: str, password: str) -> bool:
    """Whether the server would let this password in; older kinds of verifiers are taken for another password."""
    kind, _, rest = kept.partition("$")
    iterations, _, salt = rest.partition("$")[0].partition(":")
    if kind != "SCRAM-SHA-256" or not iterations.isdigit():
        return False
    try:
        made = verifier(password, base64.b64decode(salt, validate=True), int(iterations))
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(made, kept)


def prepared(password: str) -> bytes:
    """SASLprep (RFC 4013); a password that it prohibits is taken as it is, as PostgreSQL and its clients do."""
    if password.isascii():
        return password.encode()
    mapped = "".join(" " if stringprep.in_table_c12(c) else c for c in password if not stringprep.in_table_b1(c))
    text = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if not text or any(table(c) for c in text for table in _PROHIBITED) or not _one_direction(text):
        return password.encode()
    return text.encode()


def _one_direction(text: str) -> bool:
    right = [stringprep.in_table_d1(c) for c in text]
    if not any(right):
        return True
    return right[0] and right[-1] and not any(stringprep.in_table_d2(c) for c in text)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
