# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Byte sizes as people write them: 500MB is decimal, 500MiB is binary, and the two are never mixed."""

from __future__ import annotations

import re
from decimal import Decimal

from .errors import UserError

_DECIMAL = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4}
_BINARY = {"kib": 1024, "mib": 1024**2, "gib": 1024**3, "tib": 1024**4}
# Docker, nginx and systemd read a letter alone so.
_LETTERS = {"k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_FACTORS = {"": 1, **_DECIMAL, **_BINARY, **_LETTERS}
_FORM = re.compile(r"\s*(?P<number>[0-9]{1,30}(?:\.[0-9]{1,15})?)\s*(?P<unit>[A-Za-z]*)\s*", re.ASCII)
_EXAMPLE = "write a number of bytes, or one with a unit such as 500MB or 1.5GiB"


def parse_size(value: int | float | str, name: str = "size") -> int:
    """Turn `500MB`, `1.5GiB`, `64m` or a number of bytes into bytes; what is left of a byte is dropped.

    Args:
        value: The size as written by a person.
        name: The setting to name in an error.

    Raises:
        UserError: Not a size, negative, or an unknown unit.
    """
    if isinstance(value, bool):
        raise UserError(f"{name}: {value!r} is not a size; {_EXAMPLE}")
    match = _FORM.fullmatch(str(value))
    if match is None:
        if re.match(r"\s*-\s*[0-9]", str(value)):
            raise UserError(f"{name}: {value} is negative; {_EXAMPLE}")
        raise UserError(f"{name}: {value!r} is not a size; {_EXAMPLE}")
    unit = match["unit"].lower()
    if unit not in _FACTORS:
        raise UserError(f"{name}: {value!r} has the unknown unit {match['unit']!r}; {_EXAMPLE}")
    number = Decimal(match["number"])
    if _FACTORS[unit] == 1 and number != int(number):
        raise UserError(f"{name}: {value!r} is a fraction of a byte; {_EXAMPLE}")
    return int(number * _FACTORS[unit])


def format_size(size: int, binary: bool = False) -> str:
    """Bytes for a reader, to a tenth of the unit: `312.4 MB`, or `298.0 MiB` when binary."""
    step, units = (1024, ("KiB", "MiB", "GiB", "TiB")) if binary else (1000, ("kB", "MB", "GB", "TB"))
    if abs(size) < step:
        return f"{size} B"
    amount, text = float(size), ""
    for unit in units:
        amount /= step
        text = f"{amount:.1f} {unit}"
        # Judged after rounding, so that 999 999 bytes are 1.0 MB and not 1000.0 kB.
        if abs(round(amount, 1)) < step:
            break
    return text
