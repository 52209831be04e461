# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of a stack as figures for Prometheus, in the form that its node exporter reads from a directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ..results import GateResult

_STATUS = {"skip": -1, "pass": 0, "warn": 1, "fail": 2}
_HELP = {
    "sluice_check_status": "A check on the host: 0 pass, 1 warn, 2 fail, -1 skipped.",
    "sluice_gate_status": "A gate of the release that serves: 0 pass, 1 warn, 2 fail, -1 skipped.",
    "sluice_release_info": "The release that serves.",
    "sluice_release_timestamp_seconds": "When it was released.",
    "sluice_service_up": "Whether a container runs and is not unhealthy.",
    "sluice_certificate_days": "Days until the certificate at the edge ends.",
    "sluice_backup_age_seconds": "Age of the newest backup.",
    "sluice_job_ok": "Whether the last run of a scheduled job went well.",
    "sluice_job_timestamp_seconds": "When a scheduled job ran last.",
    "sluice_checked_timestamp_seconds": "When these figures were taken.",
}
Row = tuple[str, Mapping[str, str], float]


def figures(stack: str, results: Sequence[GateResult], known: Mapping[str, Any], now: float) -> str:
    """The file's text.

    Args:
        results: Of the checks on the host.
        known: As M(sluice.deploy.stack_info) tells of the stack, with `gates`; empty for what something else deployed.
        now: Seconds since the epoch.
    """
    rows: list[Row] = [("sluice_check_status", {"check": r["id"]}, _STATUS[r["status"]]) for r in results]
    rows += [
        ("sluice_gate_status", {"gate": str(gate["id"])}, _STATUS[gate["status"]])
        for gate in known.get("gates", [])
        if gate.get("status") in _STATUS
    ]
    if known.get("release"):
        told = {key: str(known.get(key) or "") for key in ("release", "colour", "commit")}
        rows.append(("sluice_release_info", told, 1))
    for name, key, sign in (
        ("sluice_release_timestamp_seconds", "since", 0),
        ("sluice_certificate_days", "edge_ends", 1),
        ("sluice_backup_age_seconds", "backup", -1),
    ):
        moment = _moment(str(known.get(key) or ""))
        if moment is not None:
            value = {0: moment, 1: (moment - now) / 86400, -1: now - moment}[sign]
            rows.append((name, {}, value))
    for service in known.get("services", []):
        labels = {"service": service["service"], "container": service.get("container", "")}
        rows.append(("sluice_service_up", labels, service["state"] == "running" and service["health"] != "unhealthy"))
    for job in known.get("jobs", []):
        if "at" in job:
            rows.append(("sluice_job_ok", {"job": job["name"]}, not job.get("outcome")))
            rows.append(("sluice_job_timestamp_seconds", {"job": job["name"]}, job["at"]))
    rows.append(("sluice_checked_timestamp_seconds", {}, now))
    return "".join(_group(name, stack, [row for row in rows if row[0] == name]) for name in _HELP)


def _group(name: str, stack: str, rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    lines = [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} gauge"]
    for _, labels, value in rows:
        told = ",".join(f'{key}="{_escaped(text)}"' for key, text in {"stack": stack, **labels}.items())
        lines.append(f"{name}{{{told}}} {round(float(value), 3):.15g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _moment(text: str) -> float | None:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None
