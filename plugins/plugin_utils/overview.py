# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What M(sluice.deploy.stack_info) told of many hosts, as tables for a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..module_utils.secretvalues.terminal import fit_for_terminal
from ..module_utils.sizes import format_size

_HEADS = ("host", "stack", "release", "since", "by", "certificate", "backup", "verified", "way back")
_SERVICE_HEADS = ("", "service", "state", "restarts", "cpu", "memory", "since", "image")
_JOB_HEADS = ("", "job", "schedule", "last run", "outcome", "next run")
_RECORD_HEADS = ("host", "stack", "when", "what", "release", "by", "commit", "outcome")
Told = Mapping[str, Any]


def overview(hosts: Mapping[str, Told | None], now: datetime | None = None, reports: str = "") -> list[str]:
    """A line for each stack and service of every host.

    Args:
        hosts: What the module returned, by host; None or a failure for one that did not answer.
        now: The time that ages are counted from.
        reports: Where the reports of the last verifications lie, if anywhere.
    """
    now = now or datetime.now(timezone.utc)
    rows: list[Sequence[str] | str] = [_HEADS]
    for host, told in hosts.items():
        if not told or told.get("failed") or "stacks" not in told:
            rows.append(f"{host}  {_why(told)}")
            continue
        disk = told["disk"]
        rows.append(f"{host}  disk: {format_size(disk['free'])} of {format_size(disk['size'])} free")
        for stack in told["stacks"]:
            rows.append(_stack(host, stack, now, reports))
        if not told["stacks"]:
            rows.append(f"{host}  no stack was released here")
    lines = _aligned(rows)
    services: list[Sequence[str] | str] = []
    jobs: list[Sequence[str] | str] = []
    for host, told in hosts.items():
        for stack in (told or {}).get("stacks", []):
            services += [f"{host} {stack['name']}", *(_service(service, now) for service in stack["services"])]
            if stack.get("jobs"):
                jobs += [f"{host} {stack['name']}", *(_job(job, now) for job in stack["jobs"])]
    tables = [(_SERVICE_HEADS, services), (_JOB_HEADS, jobs)]
    return lines + [line for heads, rows in tables if rows for line in ["", *_aligned([heads, *rows])]]


def records(hosts: Mapping[str, Told | None]) -> list[str]:
    """A line for each record of every host, oldest first within a stack."""
    rows: list[Sequence[str] | str] = [_RECORD_HEADS]
    for host, told in hosts.items():
        if not told or told.get("failed") or "stacks" not in told:
            rows.append(f"{host}  {_why(told)}")
            continue
        for stack in told["stacks"]:
            for record in stack["records"]:
                rows.append(_record(host, stack["name"], record))
    return _aligned(rows)


def _why(told: Told | None) -> str:
    if not told or told.get("unreachable"):
        return "does not answer"
    return str(told.get("msg") or "told nothing").splitlines()[0]


def _stack(host: str, stack: Told, now: datetime, reports: str) -> tuple[str, ...]:
    serving = f"{stack['release']} {stack['colour']}" if stack["release"] else "nothing serves"
    if stack["interrupted"]:
        serving += f", {stack['interrupted']} interrupted"
    if stack["release"] and stack.get("edge_serving", stack["colour"]) != stack["colour"]:
        serving += f", edge: {stack['edge_serving'] or 'maintenance page'}"
    ends = _moment(stack.get("edge_ends", ""))
    certificate = f"{(ends - now).days} days" if ends else "-"
    backup = _age(stack["backup"], now)
    by = " ".join(part for part in (stack["by"], str(stack["commit"])[:12]) if part)
    return (
        host,
        stack["name"],
        serving,
        _age(stack["since"], now),
        by or "-",
        certificate,
        backup,
        _verified(Path(reports) / f"{stack['name']}-{host}.json", now) if reports else "-",
        stack["way_back"] or "-",
    )


def _verified(report: Path, now: datetime) -> str:
    try:
        told = json.loads(report.read_text(encoding="utf-8"))
        return f"{_age(told['at'], now)}, {told['status']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "-"


def _service(service: Told, now: datetime) -> tuple[str, ...]:
    state = service["state"] + (f", {service['health']}" if service["health"] else "")
    cpu = f"{service['cpu_percent']:g} %" if "cpu_percent" in service else "-"
    memory = format_size(service["memory_bytes"]) if "memory_bytes" in service else "-"
    since = _age(service.get("since", ""), now)
    # Of a swarm, a task says on which node it runs.
    node = service.get("node", "")
    name = f"{service['service']} on {node}" if node else service["service"]
    return ("", name, state, str(service["restarts"]), cpu, memory, since, service.get("image", "-"))


def _job(job: Told, now: datetime) -> tuple[str, ...]:
    last = _ago(now.timestamp() - job["at"]) if "at" in job else "-"
    outcome = str(job.get("outcome", "-")) or "well"
    following = (job["next"] or "-") if job["timer"] == "active" else f"timer {job['timer']}"
    return ("", job["name"], job["schedule"], last, outcome.splitlines()[0], following)


def _record(host: str, stack: str, record: Told) -> tuple[str, ...]:
    outcome = str(record.get("outcome", "-"))
    if record.get("failed_step"):
        outcome += f" at {record['failed_step']}: {str(record.get('cause', '')).splitlines()[0]}"
    failed = [gate["id"] for gate in record.get("gates", []) if gate.get("status") == "fail"]
    outcome += f"; gates failed: {', '.join(failed)}" if failed else ""
    what = " ".join(part for part in (record.get("operation", "-"), record.get("service", "")) if part)
    told = (record.get("at", "-"), what, record.get("release", "-"))
    return (host, stack, *told, record.get("by") or "-", str(record.get("commit") or "-")[:12], outcome)


def _age(at: str, now: datetime) -> str:
    moment = _moment(at)
    return _ago((now - moment).total_seconds()) if moment else "-"


def _ago(past: float) -> str:
    seconds = max(0, int(past))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _moment(at: str) -> datetime | None:
    try:
        return datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def _aligned(rows: Sequence[Sequence[str] | str]) -> list[str]:
    """Columns as wide as their longest cell; a row that is a text stands alone."""
    cells = [row for row in rows if not isinstance(row, str)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(cells[0]))]
    lines = (row if isinstance(row, str) else "  ".join(c.ljust(w) for c, w in zip(row, widths)) for row in rows)
    return [fit_for_terminal(line).rstrip() for line in lines]
