# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks for secrets in logs: the deployment's own, and whatever has the form of a credential."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..results import GateResult
from ..secretscan import scan_texts
from ..secretscan.report import gate
from ..secretvalues.names import mentions_secret
from .environment import parse_environment

_BUILD_ADVICE = (
    "rotate what leaked, and delete this log in Dokploy, which keeps about ten",
    "pass it as a build secret instead of a build argument, which BuildKit prints even when cached",
)


def known_secrets(environment: str | None, given: Mapping[str, str]) -> dict[str, str]:
    """What was handed over, and what a service's environment calls a secret."""
    found = {name: value for name, value in parse_environment(environment).items() if mentions_secret(name) and value}
    return {**found, **given}


def scan_logs(
    logs: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    id: str = "dokploy.build_log",
    title: str = "The build log holds no secret",
    advice: Iterable[str] = _BUILD_ADVICE,
    fail: bool = True,
) -> tuple[GateResult, list[str]]:
    """A gate on logs, and the values that it found, to be hidden from then on.

    Args:
        logs: Texts by what they are, such as `of the build`.
        secrets: The deployment's own values, by name; a finding names the name.
        id: The gate's name.
        title: What it checks.
        advice: What to do about a finding.
        fail: Whether a finding fails the gate, or only warns.
    """
    report = scan_texts(logs, secrets)
    result = gate(report, id, "medium" if fail else "never", "off")
    result["title"] = title
    result["advice"] = list(advice) if report.findings else []
    return result, [finding.secret for finding in report.findings if finding.secret]
