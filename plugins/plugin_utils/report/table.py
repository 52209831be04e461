# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table on the terminal: failures with what to do at the end, where the eye is when a run is over."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Callable

from ...module_utils.results import GateResult, Status
from .model import VerificationReport, line_of, shown

MARKS: dict[Status, str] = {"pass": "ok  ", "warn": "WARN", "fail": "FAIL", "skip": "skip"}
Paint = Callable[[str, Status], str]
_EVIDENCE_LINES = 6


def plain(text: str, _status: Status) -> str:
    return text


def as_table(report: VerificationReport, width: int = 110, paint: Paint = plain) -> str:
    """The whole report for a terminal of that width."""
    width = max(60, width)
    columns = _columns(report, width)
    lines = [line_of(" · ".join(part for part in (report.title, report.url, report.host) if part))]
    for number, (title, results) in enumerate(report.groups):
        heads = (title, "measured", "limit") if number == 0 else (title,)
        lines += [
            "",
            _pad(heads[0], 7 + columns[0]) + "".join(f"  {_pad(h, w)}" for h, w in zip(heads[1:], columns[1:])),
        ]
        lines += [line for result in results for line in _row(result, columns, paint)]
    for result in report.results:
        if result["status"] in ("fail", "warn") or result["advice"]:
            lines += ["", *_explained(result, width, paint)]
    counts = ", ".join(f"{count} {status}" for status, count in report.counts.items() if count)
    seconds = f" in {report.seconds:.1f} s" if report.seconds is not None else ""
    verdict = f"{report.verdict[:1].upper()}{report.verdict[1:]}"
    lines += ["", paint(f"{verdict}{seconds} ({counts or 'no checks'})", report.status)]
    if report.changes:
        lines += _wrap(line_of(report.changes.line), width)
    return "\n".join(line.rstrip() for line in lines)


def _columns(report: VerificationReport, width: int) -> tuple[int, int, int]:
    """Widths of title, measured and limit: what each needs, as far as the line goes."""
    free = width - 7 - 4
    title = min(max((_cells(r["title"]) for r in report.results), default=0), free * 45 // 100)
    measured = max((_cells(shown(r["measured"])) for r in report.results), default=0)
    limit = max((_cells(shown(r["limit"])) for r in report.results), default=0)
    # What one of the two leaves free is the other's, and each has a quarter of the line at the least.
    quarter = free // 4
    limit = min(limit, free - title - min(measured, max(quarter, free - title - limit)))
    return title, max(12, min(measured, free - title - limit)), limit


def _row(result: GateResult, columns: tuple[int, int, int], paint: Paint) -> list[str]:
    status = result["status"]
    title, measured, limit = columns
    # A check that was not made has nothing but its reason, which may run over both columns.
    rest = ((result["evidence"][0], measured + 2 + limit),) if status == "skip" else ()
    values = rest or ((shown(result["measured"]), measured), (shown(result["limit"]), limit))
    cells = [(_wrap(line_of(text), room), room) for text, room in ((result["title"], title), *values)]
    rows = []
    for number in range(max(len(lines) for lines, _ in cells)):
        parts = [_pad(lines[number] if number < len(lines) else "", room) for lines, room in cells]
        mark = paint(MARKS[status], status) if number == 0 else "    "
        rows.append(f"  {mark} {'  '.join(parts)}")
    return rows


def _explained(result: GateResult, width: int, paint: Paint) -> list[str]:
    status = result["status"]
    mark = MARKS[status].strip() if status in ("fail", "warn") else "tip"
    lines = [f"{paint(mark, status)} {line_of(result['title'])} [{line_of(result['id'])}]"]
    lines += _items(result["evidence"], "     ", width)
    lines += _items(result["advice"], "  →  ", width)
    return lines


def _items(texts: list[str], lead: str, width: int) -> list[str]:
    lines = []
    for text in texts[:_EVIDENCE_LINES]:
        wrapped = _wrap(line_of(text), width - len(lead))
        lines += [f"{lead if number == 0 else ' ' * len(lead)}{line}" for number, line in enumerate(wrapped)]
    if len(texts) > _EVIDENCE_LINES:
        lines.append(f"{' ' * len(lead)}… and {len(texts) - _EVIDENCE_LINES} more in the report")
    return lines


def _wrap(text: str, room: int) -> list[str]:
    if _cells(text) <= room:
        return [text]
    # Wide characters take two cells, so half of them fit.
    wide = _cells(text) > len(text)
    return textwrap.wrap(text, max(8, room // 2 if wide else room)) or [""]


def _pad(text: str, room: int) -> str:
    return text + " " * max(0, room - _cells(text))


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text if not unicodedata.combining(c))
