# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names as the description takes them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container

_LONGEST = 24


def service_key(name: str, taken: Container[str]) -> str:
    """A name as the description takes it: a DNS label of at most 24 characters that begins with a letter."""
    key = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "service"
    if not key[0].isalpha():
        key = f"s-{key}"
    if len(key) > _LONGEST or key in taken:
        digest = hashlib.sha256(name.encode()).hexdigest()[:4]
        key = f"{key[: _LONGEST - 5].rstrip('-')}-{digest}"
    return key


def identifier(name: str) -> str:
    """A name as a secret or a variable takes it."""
    found = re.sub(r"\W", "_", name, flags=re.ASCII)
    return found if not found[:1].isdigit() else f"_{found}"
