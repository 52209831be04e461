# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks for secrets in a build log: the deployment's own, and whatever has the form of a credential."""

from __future__ import annotations

from collections.abc import Mapping

from ..gates import GateResult
from ..secretscan import scan_texts
from ..secretscan.report import gate

TITLE = "The build log holds no secret"
ADVICE = (
    "rotate what leaked, and delete this log in Dokploy, which keeps about ten",
    "pass it as a build secret instead of a build argument, which BuildKit prints even when cached",
)


def scan_log(log: str, secrets: Mapping[str, str], *, fail: bool) -> tuple[GateResult, list[str]]:
    """A gate on a log, and the values that it found, to be hidden from then on.

    Args:
        log: The whole of it.
        secrets: The deployment's own values, by name; a finding names the name.
        fail: Whether a finding fails the gate, or only warns.
    """
    report = scan_texts({"of the build": log}, secrets)
    result = gate(report, "dokploy.build_log", "low" if fail else "never", "off")
    result["title"] = TITLE
    result["advice"] = list(ADVICE) if report.findings else []
    return result, [finding.secret for finding in report.findings if finding.secret]
