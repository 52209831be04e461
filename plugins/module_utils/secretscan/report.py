# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a scan says at its end: findings, verdict, and the gate's result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple

from ..errors import UserError
from ..results import GateResult, Status, gate_result
from .findings import Finding
from .rules.rules import SEVERITIES

TITLE = "No secret in logs"
_MOST_EVIDENCE = 20


class Excuse(NamedTuple):
    """A finding that someone took responsibility for, until a day."""

    fingerprint: str
    reason: str
    expires: date


class ScanReport(NamedTuple):
    """Everything a scan yields, safe to print."""

    findings: list[Finding]
    ignored: list[dict[str, Any]]
    uncounted: int
    scanned: list[str]
    notes: list[str]
    too_short: list[str]
    keyword_lines: int
    keywords: dict[str, int]
    bytes_scanned: int
    seconds: float
    engine: str


def parse_baseline(entries: Iterable[Mapping[str, Any]]) -> list[Excuse]:
    """A baseline's entries, each with fingerprint, reason and expiry.

    Raises:
        UserError: An entry lacks one of them.
    """
    parsed = []
    for number, entry in enumerate(entries, 1):
        for key in ("fingerprint", "reason", "expires"):
            if not str(entry.get(key) or "").strip():
                raise UserError(f"ignore: entry {number} has no {key}; an exception needs all three")
        try:
            expires = date.fromisoformat(str(entry["expires"]))
        except ValueError:
            raise UserError(f"ignore: entry {number} expires {entry['expires']!r}, which is no date like 2027-01-31")
        parsed.append(Excuse(str(entry["fingerprint"]), str(entry["reason"]), expires))
    return parsed


class Judged(NamedTuple):
    """Findings that count, those that are excused, and what to say of the excuses."""

    findings: list[Finding]
    ignored: list[dict[str, Any]]
    notes: list[str]


def apply_baseline(findings: list[Finding], baseline: list[Excuse], today: date) -> Judged:
    """Take out what the baseline excuses; what has expired counts again, and that is said."""
    excuses = {entry.fingerprint: entry for entry in baseline}
    judged = Judged([], [], [])
    for finding in findings:
        excuse = excuses.get(finding.fingerprint)
        if excuse and today <= excuse.expires:
            judged.ignored.append({**finding.public(), "reason": excuse.reason, "expires": excuse.expires.isoformat()})
            continue
        if excuse:
            judged.notes.append(f"the exception for {excuse.fingerprint} expired on {excuse.expires}")
        judged.findings.append(finding)
    seen = {finding.fingerprint for finding in findings}
    for entry in baseline:
        if entry.fingerprint not in seen:
            judged.notes.append(f"the exception for {entry.fingerprint} is not needed any more")
    return judged


def gate(report: ScanReport, gate_id: str, fail_on: str, keywords: str) -> GateResult:
    """The verdict: fail for a finding as grave as fail_on, warn for a lesser one or a source not read."""
    limit = SEVERITIES.index(fail_on) if fail_on != "never" else len(SEVERITIES)
    statuses: list[Status] = ["pass"]
    for finding in report.findings:
        statuses.append("fail" if SEVERITIES.index(finding.severity) >= limit else "warn")
    if report.keyword_lines and keywords in ("warn", "fail"):
        statuses.append("fail" if keywords == "fail" else "warn")
    if report.notes:
        statuses.append("warn")
    order: list[Status] = ["pass", "warn", "fail"]
    status = max(statuses, key=order.index)
    if not report.scanned:
        return gate_result(gate_id, TITLE, "skip", evidence=report.notes or ["nothing was given to scan"])
    return gate_result(
        gate_id,
        TITLE,
        status,
        measured=len(report.findings),
        limit=0,
        evidence=_evidence(report),
        advice=_advice(report),
    )


def _evidence(report: ScanReport) -> list[str]:
    lines = [_line(finding) for finding in report.findings[:_MOST_EVIDENCE]]
    more = len(report.findings) - len(lines)
    if more > 0:
        lines.append(f"and {more} more secrets")
    if report.uncounted:
        lines.append(f"and {report.uncounted} further occurrences of secrets too many to list")
    if report.keyword_lines:
        counts = ", ".join(f"{word} {count}" for word, count in sorted(report.keywords.items()))
        lines.append(f"{report.keyword_lines} lines hold a keyword ({counts})")
    megabytes = report.bytes_scanned / 1e6
    lines.append(f"{len(report.scanned)} sources, {megabytes:.1f} MB in {report.seconds:.2f} s with {report.engine}")
    if report.too_short:
        lines.append(f"too short to search for: {', '.join(report.too_short)}")
    return lines + report.notes


def _line(finding: Finding) -> str:
    times = f" {finding.count} times" if finding.count > 1 else ""
    stream = f" {finding.stream}" if finding.stream else ""
    when = f" at {finding.time}" if finding.time else ""
    return (
        f"{finding.severity}: {finding.title}{times} in {finding.source}{stream}{when},"
        f" byte {finding.offset}: {finding.line} ({finding.rule}, {finding.fingerprint})"
    )


def _advice(report: ScanReport) -> list[str]:
    advice = []
    if report.findings:
        advice.append("Treat each secret as known to others: issue a new one, then stop the app from logging it")
        advice.append("Recreate the containers, or truncate their logs, to remove what was logged")
    if report.too_short:
        advice.append(f"Make {', '.join(report.too_short)} longer: a value of under 8 characters is no secret")
    return advice
