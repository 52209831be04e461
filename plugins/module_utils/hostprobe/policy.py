# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What visitors' browsers have told the edge of its Content-Security-Policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..results import GateResult, gate_result

ID, TITLE = "host.content_policy", "Browsers' reports on the Content-Security-Policy"
_TOLD = 20


def judge_policy(told: Mapping[str, Any]) -> GateResult:
    """Whether the policy forbids what visitors need; anyone can send a report, so none is more than a hint.

    Args:
        told: What the edge's `csp` answers.
    """
    if not told.get("collects"):
        return gate_result(ID, TITLE, "skip", evidence=["the policy is the app's own, or has a collector of its own"])
    seen = list(told["violations"])
    enforced = told["mode"] == "enforce"
    advice = []
    if seen:
        done = "is broken for them" if enforced else "would break if the policy were enforced"
        lines = "; ".join(told["allow"])
        advice = [f"what of this belongs to the app {done}; in nginx_certbot_csp, allow it with: {lines}"]
    elif not enforced and told["safe"]:
        advice = ["no violation for a week: enforcing is safe with nginx_certbot_csp_mode: enforce"]
    return gate_result(
        ID,
        TITLE,
        "warn" if seen else "pass",
        measured=f"{len(seen)} violations in {told['days']} days, {'enforced' if enforced else 'reported only'}",
        limit="no violation",
        evidence=[f"{r['page']}: {r['directive']} forbids {r['blocked']}, {r['count']} times" for r in seen[:_TOLD]],
        advice=advice,
    )
