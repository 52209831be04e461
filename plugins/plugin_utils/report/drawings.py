# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Figures of a result turned into bars: positions in percent, so that the page draws at any width.

A result's `details` may hold `layers` with `limit` in bytes, `certificate` with `not_before`, `not_after` and
`now`, `timings` with `limit_ms`, or `picture`, a JPEG in base64. What has another form is not drawn.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...module_utils.results import GateResult
from ...module_utils.sizes import format_size

_NAMED_LAYERS = 4
_BASE64 = re.compile(r"[A-Za-z0-9+/=]{1,4000000}")
_SHADES = 4


@dataclass(frozen=True)
class Segment:
    """A piece of a bar, in percent of its width."""

    x: float
    width: float
    label: str
    wasted: float = 0
    shade: int = 0
    """Which of the page's shades it has, so that a legend can name it."""


@dataclass(frozen=True)
class Bar:
    """A bar with what its marks mean, and a legend of its segments."""

    kind: str
    caption: str
    segments: tuple[Segment, ...]
    limit: float | None = None
    limit_label: str = ""
    legend: tuple[Segment, ...] = ()


def bars(result: GateResult) -> list[Bar]:
    """What can be drawn of a result."""
    details = result.get("details") or {}
    drawn: list[Bar] = []
    for key, draw in (("layers", _layers), ("certificate", _certificate), ("timings", _timings)):
        if key in details:
            # Details come from anywhere; a page without a picture is better than none.
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError):
                drawn.append(draw(details))
    return drawn


def picture(result: GateResult) -> str:
    """The picture that a result brings along, in base64; empty for none."""
    found = (result.get("details") or {}).get("picture")
    return found if isinstance(found, str) and _BASE64.fullmatch(found) else ""


def with_layers(results: Iterable[GateResult], images: Iterable[Mapping[str, Any]]) -> list[GateResult]:
    """Join what `image_size_gate` returns of images to its results, so that they can be drawn."""
    details = {}
    for image in images:
        size = "compressed" if image.get("basis") == "compressed" else "size"
        layers = [
            {
                "size": layer.get(size) or 0,
                "wasted": layer.get("wasted") or 0,
                "instruction": layer.get("instruction", ""),
            }
            for layer in image.get("layers") or []
        ]
        details[f"image_size.{image.get('name')}"] = {"layers": layers, "limit": image.get("limit")}
    joined = [result.copy() for result in results]
    for result in joined:
        if result["id"] in details:
            result.setdefault("details", details[result["id"]])
    return joined


def _layers(details: Mapping[str, Any]) -> Bar:
    layers, limit = list(details["layers"]), details.get("limit")
    total = sum(layer["size"] for layer in layers)
    scale = 100 / max(total, limit or 0)
    segments, x = [], 0.0
    for number, layer in enumerate(layers, 1):
        size = layer["size"]
        hidden = min(layer.get("wasted") or 0, size)
        label = f"layer {number}: {format_size(size)}, {layer.get('instruction') or 'base'}"
        shade = (number - 1) % _SHADES
        segments.append(Segment(round(x, 3), round(size * scale, 3), label, round(hidden * scale, 3), shade))
        x += size * scale
    wasted = sum(min(layer.get("wasted") or 0, layer["size"]) for layer in layers)
    largest = sorted(range(len(layers)), key=lambda n: -layers[n]["size"])[:_NAMED_LAYERS]
    return Bar(
        "layers",
        f"{format_size(total)} in {len(layers)} layers" + (f", {format_size(wasted)} wasted" if wasted else ""),
        tuple(segments),
        limit=round(limit * scale, 3) if limit else None,
        limit_label=f"limit {format_size(limit)}" if limit else "",
        legend=tuple(segments[n] for n in largest if layers[n]["size"]),
    )


def _certificate(details: Mapping[str, Any]) -> Bar:
    life = details["certificate"]
    begin, end, now = (datetime.fromisoformat(life[key]) for key in ("not_before", "not_after", "now"))
    used = 100 * (now - begin) / (end - begin)
    left = (end - now).total_seconds() / 86400
    told = f"{left:.1f} days left" if left >= 0 else f"expired {-left:.1f} days ago"
    spent = min(100.0, max(0.0, round(used, 3)))
    return Bar(
        "certificate",
        f"{begin:%d %b %Y} to {end:%d %b %Y}, {told}",
        (Segment(spent, round(100 - spent, 3), "life left"),),
        limit=spent,
        limit_label="today",
    )


def _timings(details: Mapping[str, Any]) -> Bar:
    timings, limit = list(details["timings"]), details.get("limit_ms")
    total = sum(timing["ms"] for timing in timings)
    scale = 100 / max(total, limit or 0)
    segments, x = [], 0.0
    for number, timing in enumerate(timings):
        width, label = timing["ms"] * scale, f"{timing['label']} {timing['ms']:.0f} ms"
        segments.append(Segment(round(x, 3), round(width, 3), label, shade=number % _SHADES))
        x += width
    return Bar(
        "timings",
        f"{total:.0f} ms to the first byte",
        tuple(segments),
        limit=round(limit * scale, 3) if limit else None,
        limit_label=f"limit {limit:.0f} ms" if limit else "",
        legend=tuple(segments),
    )
