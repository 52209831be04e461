# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks for a deployment's secrets in its build log."""

from __future__ import annotations

from collections.abc import Mapping

from ..gates import GateResult, Status, gate_result
from .redaction import MIN_LENGTH, Redactor

# Enough to find the places; a log that is all secrets is not to drown the report.
MAX_EVIDENCE = 20


def scan_log(log: str, secrets: Mapping[str, str], *, on_finding: Status) -> GateResult:
    """A gate on a log.

    Args:
        log: The whole of it.
        secrets: Values by name; a finding names the name.
        on_finding: Status when something is found.
    """
    known = {name: value for name, value in secrets.items() if len(value) >= MIN_LENGTH}
    short = sorted(set(secrets) - set(known))
    evidence: list[str] = []
    if Redactor(known.values())(log) != log:
        evidence = _places(log, known)
    notes = [f"{', '.join(short)}: shorter than {MIN_LENGTH} characters, not looked for"] if short else []
    return gate_result(
        "dokploy.build_log",
        "The build log holds no secret",
        on_finding if evidence else "pass",
        measured=len(evidence),
        limit=0,
        evidence=evidence[:MAX_EVIDENCE] + notes,
        advice=[
            "pass it as a build secret instead of a build argument, which BuildKit prints even when cached",
            "rotate what leaked; Dokploy keeps about ten logs, delete this one",
        ]
        if evidence
        else [],
    )


def _places(log: str, secrets: Mapping[str, str]) -> list[str]:
    """Which secret stands in which line."""
    places: list[str] = []
    for name, value in sorted(secrets.items()):
        redact = Redactor([value])
        lines = [number for number, line in enumerate(log.splitlines(), 1) if redact(line) != line]
        if lines:
            shown = ", ".join(map(str, lines[:5])) + (f" and {len(lines) - 5} more" if len(lines) > 5 else "")
            places.append(f"{name} in line {shown}")
    return places or ["credentials in a URL"]
