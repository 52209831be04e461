# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Limits as a user writes them, checked before anything is measured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import UserError
from ..sizes import format_size, parse_size

_PERCENT = re.compile(r"\s*([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*%\s*", re.ASCII)


@dataclass(frozen=True)
class Allowance:
    """So many bytes, or such a share of a whole."""

    bytes: int | None = None
    percent: Decimal | None = None

    def allows(self, part: int, whole: int) -> bool:
        if self.percent is not None:
            return part * 100 <= self.percent * whole
        return part <= (self.bytes or 0)

    def shown(self, part: int, whole: int) -> tuple[str, str]:
        """The measured part and the limit, in the limit's unit."""
        if self.percent is not None:
            return f"{100 * part / whole if whole else 0:.2f} %", f"{self.percent} %"
        return exactly(part, self.bytes or 0)


@dataclass(frozen=True)
class Limits:
    """What an image may be; None is no limit."""

    size: int | None = None
    growth: Allowance | None = None
    layers: int | None = None
    wasted: Allowance | None = None


def parse_limits(values: dict[str, Any]) -> Limits:
    """Read `max_size`, `max_growth`, `max_layers` and `max_wasted`.

    Raises:
        UserError: One of them is malformed, negative, or zero where nothing could pass.
    """
    size, layers = values.get("max_size"), values.get("max_layers")
    limits = Limits(
        size=None if size is None else parse_size(size, "max_size"),
        growth=_allowance(values.get("max_growth"), "max_growth"),
        layers=None if layers is None else int(layers),
        wasted=_allowance(values.get("max_wasted"), "max_wasted"),
    )
    if limits.size == 0:
        raise UserError("max_size: 0 bytes would fail every image; give a size such as 500MB, or leave it out")
    if limits.layers is not None and limits.layers < 1:
        raise UserError(f"max_layers: {limits.layers} would fail every image; give 1 or more, or leave it out")
    return limits


def _allowance(value: Any, name: str) -> Allowance | None:
    if value is None:
        return None
    match = _PERCENT.fullmatch(str(value))
    if match:
        return Allowance(percent=Decimal(match[1]))
    if "%" in str(value):
        raise UserError(f"{name}: {value!r} is not a percentage; write one such as 10%, or a size such as 20MB")
    return Allowance(bytes=parse_size(value, name))


def exactly(measured: int, limit: int) -> tuple[str, str]:
    """Both sizes for a reader; in bytes when rounding would make different ones look alike."""
    short = format_size(measured), format_size(limit)
    if short[0] == short[1] and measured != limit:
        return f"{measured} B", f"{limit} B"
    return short
