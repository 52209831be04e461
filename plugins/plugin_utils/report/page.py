# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report as one page that needs nothing else: no script, no request, light and dark."""

from __future__ import annotations

from pathlib import Path

from ...module_utils.results import SEVERITY, GateResult
from .drawings import bars, picture
from .model import VerificationReport, shown

_HERE = Path(__file__).parent
WORDS = {"pass": "passed", "warn": "warning", "fail": "failed", "skip": "skipped"}
_SHOWN_RUNS = 59
SIGNS = {"pass": "✓", "warn": "!", "fail": "✕", "skip": "·"}


def as_page(report: VerificationReport) -> str:
    """The whole page, every value escaped."""
    # Only the controller draws pages; it has Jinja as a part of Ansible, a target need not.
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shown"] = shown
    template = environment.from_string((_HERE / "page.html.j2").read_text(encoding="utf-8"))
    return template.render(
        report=report,
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        words=WORDS,
        signs=SIGNS,
        bars=bars,
        picture=picture,
        concerns=_concerns(report),
        changes=report.changes,
        runs=[*report.before[-_SHOWN_RUNS:], report.run],
        trends=report.trends,
        link=report.url if report.url.startswith(("https://", "http://")) else "",
    )


def _concerns(report: VerificationReport) -> list[GateResult]:
    """What a reader must see first, gravest first."""
    found = [result for result in report.results if result["status"] in ("fail", "warn")]
    return sorted(found, key=lambda result: -SEVERITY.index(result["status"]))
