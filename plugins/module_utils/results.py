# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one form in which every gate and check reports."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Status = Literal["pass", "warn", "fail", "skip"]

# From harmless to grave; a report is as bad as its worst result.
SEVERITY: tuple[Status, ...] = ("skip", "pass", "warn", "fail")


class _Optional(TypedDict, total=False):
    details: dict[str, Any]


class GateResult(_Optional):
    """What a gate found: plain data, safe to print (never a secret's bytes)."""

    id: str
    title: str
    status: Status
    measured: Any
    limit: Any
    evidence: list[str]
    advice: list[str]


def gate_result(
    id: str,
    title: str,
    status: Status,
    *,
    measured: Any = None,
    limit: Any = None,
    evidence: list[str] | None = None,
    advice: list[str] | None = None,
    details: dict[str, Any] | None = None,
) -> GateResult:
    """Build a result.

    Args:
        id: Stable name, lower case with dots, such as `image_size.server`.
        title: What was checked, as a person would say it.
        status: One of pass, warn, fail, skip; a skip says why in evidence.
        measured: The value seen, with its unit where it has one.
        limit: The value it was held against, in the same unit.
        evidence: What the verdict rests on, a line each.
        advice: What to do about it, most useful first.
        details: Figures behind the verdict that a report may draw; absent when there are none.

    Raises:
        ValueError: The status is not one of the four, or a skip gives no reason.
    """
    if status not in SEVERITY:
        raise ValueError(f"status must be one of {', '.join(SEVERITY)}, not {status!r}")
    if status == "skip" and not evidence:
        raise ValueError(f"gate {id} is skipped without a reason")
    result = GateResult(
        id=id,
        title=title,
        status=status,
        measured=measured,
        limit=limit,
        evidence=list(evidence or []),
        advice=list(advice or []),
    )
    if details:
        result["details"] = details
    return result


def worst_status(results: list[GateResult]) -> Status:
    """The gravest status among the results; `skip` for none."""
    return max((r["status"] for r in results), key=SEVERITY.index, default="skip")


def conclude(module: Any, told: dict[str, Any]) -> None:
    """End an Ansible module with what was told, as failed where `failed` says so."""
    end = module.fail_json if told.pop("failed", False) else module.exit_json
    end(**told)
