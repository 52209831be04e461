# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host around the containers: renewal and room."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import UserError
from ..results import GateResult, gate_result
from ..sizes import format_size
from .facts import Space

SETTINGS = Path("/etc/sluice")
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
_LEAST_INODES = 5


def settings_file(stack: str) -> Path:
    """What the timer of a stack's checks goes by, where there is one."""
    return SETTINGS / f"verify-{stack}.json"


def parse_age(value: str, name: str) -> int:
    """Seconds of an age such as `36h` or `7d`.

    Raises:
        UserError: It is none.
    """
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*([mhdw])\s*", value)
    if not match:
        raise UserError(f"{name}: {value!r} is not an age; write a number with m, h, d or w, such as 36h")
    return int(match[1]) * _UNITS[match[2]]


def judge_timer(name: str, timer: Mapping[str, str], service: Mapping[str, str]) -> GateResult:
    """Whether certificates will be renewed: the timer waits, and its last run went well."""
    log = f"journalctl --unit {name.removesuffix('.timer')}.service"
    if timer.get("LoadState") != "loaded":
        measured, advice = "not installed", "install it anew with the role nginx_certbot"
    elif timer.get("ActiveState") != "active":
        measured, advice = f"{timer.get('ActiveState', 'unknown')}", f"systemctl enable --now {name}"
    elif service.get("Result", "success") != "success":
        measured, advice = f"last run: {service['Result']}", f"see {log}"
    else:
        measured, advice = "active", ""
    due = timer.get("NextElapseUSecRealtime") or "unknown"
    return gate_result(
        "host.renewal_timer",
        "Certificates are renewed by a timer",
        "fail" if advice else "pass",
        measured=measured,
        limit="active, last run well",
        evidence=[f"{name}, next run {due}"],
        advice=[advice] if advice else [],
    )


def judge_disk(spaces: Iterable[Space], least: int) -> GateResult:
    """Room in every file system that fills."""
    spaces = list(spaces)
    scarce = [space for space in spaces if space.free < least or space.free_inodes < _LEAST_INODES]
    tightest = min(spaces, key=lambda space: space.free)
    return gate_result(
        "host.disk",
        "Room on the disk",
        "fail" if scarce else "pass",
        measured=f"{format_size(tightest.free)} free",
        limit=f"{format_size(least)} free",
        evidence=[
            f"{s.path}: {format_size(s.free)} of {format_size(s.size)} free, {s.free_inodes:.0f} % of inodes"
            for s in spaces
        ],
        details={"figure": {"value": tightest.free, "unit": "bytes", "better": "more"}},
        advice=["docker system df shows what fills it; docker image prune and docker builder prune make room"]
        if scarce
        else [],
    )


def told_age(seconds: float) -> str:
    """An age for people."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
