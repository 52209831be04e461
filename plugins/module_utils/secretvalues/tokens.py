# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands for a secret in a text: `%SECRET.DB_PASSWORD%`.

Compose itself is given such a token in the place of each secret, so that what it answers holds no value of the vault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

TOKEN = re.compile(r"%SECRET\.([A-Za-z_][A-Za-z0-9_]*)%")


def token(name: str) -> str:
    """What stands for a secret."""
    return f"%SECRET.{name}%"


def tokens(value: Any) -> set[str]:
    """The secrets that are named anywhere in plain data."""
    if isinstance(value, str):
        return set(TOKEN.findall(value))
    if isinstance(value, Mapping):
        return {name for item in value.values() for name in tokens(item)}
    if isinstance(value, (list, tuple)):
        return {name for item in value for name in tokens(item)}
    return set()


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """A text with each token's value in its place; a KeyError names one that has none."""
    return TOKEN.sub(lambda match: values[match[1]], text)
