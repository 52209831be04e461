# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runs before this one: JSON lines beside the report, and what has changed since the last of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ...module_utils.results import SEVERITY, GateResult
from ...module_utils.sizes import format_size

# Of a file that somebody else may have made long, the end is read.
_MOST_BYTES = 4 << 20
# Less is the day's noise: a tenth, and for times and sizes something that a person would notice.
_NOTABLE = 0.1
_LEAST = {"ms": 50.0, "bytes": 1e6, "days": 1.0}


@dataclass(frozen=True)
class Figure:
    """A measure that runs are compared by."""

    value: float
    unit: str
    better: str = ""
    """`less` or `more`; empty for one that moves by itself, such as a certificate's days."""

    @property
    def shown(self) -> str:
        return format_size(int(self.value)) if self.unit == "bytes" else f"{self.value:.0f} {self.unit}"


@dataclass(frozen=True)
class Run:
    """What is kept of one verification."""

    at: str
    status: str
    checks: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)

    def as_line(self) -> str:
        figures = {id: [f.value, f.unit, f.better] for id, f in self.figures.items()}
        kept = {"at": self.at, "status": self.status, "checks": self.checks, "figures": figures}
        return json.dumps(kept)


@dataclass(frozen=True)
class Changes:
    """What is different from the run before, a line each."""

    since: str
    worse: tuple[str, ...] = ()
    better: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """All of it in one line, what got worse first."""
        told = [f"worse: {', '.join(self.worse)}"] if self.worse else ["nothing got worse"]
        told += [f"better: {', '.join(self.better)}"] if self.better else []
        return f"Since {self.since.replace('T', ' ').replace('Z', ' UTC')} {'; '.join(told)}"


def run_of(results: Iterable[GateResult], at: str, status: str) -> Run:
    """What is to be kept of these results."""
    results = list(results)
    return Run(
        at,
        status,
        {r["id"]: r["status"] for r in results},
        {r["id"]: r["title"] for r in results},
        {r["id"]: figure for r in results if (figure := _figure(r.get("details") or {}))},
    )


def _figure(details: Mapping[str, Any]) -> Figure | None:
    """The one measure of a result's details."""
    try:
        if "timings" in details:
            return Figure(float(sum(timing["ms"] for timing in details["timings"])), "ms", "less")
        if "layers" in details:
            return Figure(float(sum(layer["size"] for layer in details["layers"])), "bytes", "less")
        if "certificate" in details:
            end, now = (datetime.fromisoformat(details["certificate"][key]) for key in ("not_after", "now"))
            return Figure((end - now).total_seconds() / 86400, "days")
        if "figure" in details:
            found = details["figure"]
            return Figure(float(found["value"]), str(found["unit"]), str(found.get("better", "")))
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    return None


def read_runs(path: Path) -> list[Run]:
    """The runs in a file, oldest first; lines that are none are left out, and a file that is not there has none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _MOST_BYTES))
            lines = file.read(_MOST_BYTES).decode("utf-8", "replace").split("\n")
    except OSError:
        return []
    return [run for line in lines if (run := _run(line))]


def _run(line: str) -> Run | None:
    try:
        told = json.loads(line)
        datetime.fromisoformat(str(told["at"]).replace("Z", "+00:00"))
        figures = {
            str(id): Figure(float(v), str(unit), str(better)) for id, (v, unit, better) in told["figures"].items()
        }
        checks = {str(id): str(status) for id, status in told["checks"].items() if status in SEVERITY}
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError):
        return None
    sound = {id: figure for id, figure in figures.items() if math.isfinite(figure.value)}
    return Run(str(told["at"])[:40], str(told.get("status")), checks, {}, sound)


def compare(before: Run, now: Run) -> Changes:
    """What got worse and what better; a check that is no longer made is worse, as it tells nothing."""
    worse: list[str] = []
    better: list[str] = []
    for id, status in now.checks.items():
        title, past = now.titles.get(id, id), before.checks.get(id)
        if past == status:
            continue
        if past is None or past == "skip":
            # A new check that fails is news; one that passes is none.
            if status in ("fail", "warn"):
                worse.append(f"{title} ({'new' if past is None else past} → {status})")
        elif status == "skip" or SEVERITY.index(status) > SEVERITY.index(past):
            worse.append(f"{title} ({past} → {status})")
        else:
            better.append(f"{title} ({past} → {status})")
    worse += [f"{id} (no longer checked)" for id in before.checks if id not in now.checks]
    for id, figure in now.figures.items():
        past_figure = before.figures.get(id)
        if past_figure and past_figure.unit == figure.unit and _notable(past_figure, figure):
            told = f"{now.titles.get(id, id)} ({past_figure.shown} → {figure.shown})"
            grew = figure.value > past_figure.value
            (worse if grew == (figure.better == "less") else better).append(told)
    return Changes(before.at, tuple(worse), tuple(better))


def _notable(past: Figure, now: Figure) -> bool:
    moved = abs(now.value - past.value)
    return bool(now.better) and moved > _NOTABLE * abs(past.value) and moved >= _LEAST.get(now.unit, 0)


@dataclass(frozen=True)
class Trend:
    """A figure over the runs, as a line of points in a field of 100 by 30."""

    title: str
    points: str
    first: str
    last: str


def trends(runs: Sequence[Run], most: int = 30) -> list[Trend]:
    """How the last run's figures moved over the runs; of fewer than three nothing is drawn."""
    drawn = []
    for id, last in runs[-1].figures.items() if runs else ():
        row = [run.figures[id] for run in runs[-most:] if id in run.figures and run.figures[id].unit == last.unit]
        if len(row) < 3:
            continue
        low, high = min(f.value for f in row), max(f.value for f in row)
        span, step = (high - low) or 1.0, 100 / (len(row) - 1)
        points = " ".join(f"{n * step:.1f},{28 - 26 * (f.value - low) / span:.1f}" for n, f in enumerate(row))
        drawn.append(Trend(runs[-1].titles.get(id, id), points, row[0].shown, last.shown))
    return drawn
