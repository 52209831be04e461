# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""MariaDB's form of a password, `mysql_native_password`: made here, so that no server log ever sees the password."""

from __future__ import annotations

import hashlib
import hmac


def verifier(password: str) -> str:
    """`*` and forty hexadecimal digits, as `IDENTIFIED BY PASSWORD` takes it; it has no salt."""
    first = hashlib.sha1(password.encode()).digest()
    return f"*{hashlib.sha1(first).hexdigest().upper()}"


def matches(kept: str, password: str) -> bool:
    """Whether the server would let this password in; other kinds of verifiers are taken for another password."""
    return hmac.compare_digest(kept.encode(), verifier(password).encode())
