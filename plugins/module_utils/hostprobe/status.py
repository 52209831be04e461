# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stacks of a host at a glance: what serves, since when, how it fares, and what was done."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..docker.api import DockerApi
from ..docker.containers import Container
from ..errors import DockerError, UserError
from ..stack.directory import StackState, read_description
from ..stack.model import colour_project, data_project
from . import backups, facts, jobs

# Between two looks at what the processors did.
_SAMPLE = 0.4
_RECORDED = (
    "at",
    "operation",
    "release",
    "colour",
    "by",
    "commit",
    "outcome",
    "failed_step",
    "cause",
    "gates",
    "service",
)
Load = Mapping[str, Any]


def stacks_of(root: str, wanted: str = "") -> list[str]:
    """The stacks that have a directory on this host.

    Raises:
        UserError: The one that is wanted has none, or the directory may not be read.
    """
    directory = Path(root)
    try:
        names = sorted(path.parent.name for path in directory.glob("*/releases") if path.is_dir())
        if not names and directory.is_dir():
            os.listdir(directory)
    except PermissionError:
        raise UserError(f"root: {root} cannot be read: set become: true.")
    if wanted and wanted not in names:
        raise UserError(f"stack: {wanted!r} is not on this host; here are {', '.join(names) or 'none'}.")
    return [wanted] if wanted else names


def status(root: str, wanted: str, edge_switch: list[str], records: int, socket: str) -> dict[str, Any]:
    """Every stack of the host, or the wanted one.

    Args:
        records: How many of the newest records of each stack.
        socket: The engine's, as `unix:///var/run/docker.sock`.

    Returns:
        `stacks`, a list, and `disk` with the free and whole bytes of the engine's file system.

    Raises:
        UserError: The wanted stack is not here, or the engine does not answer.
    """
    names = stacks_of(root, wanted)
    found = facts.containers()
    projects = {project for name in names for project in _projects(name)}
    loads = _loads(DockerApi(socket, timeout=10), [c for c in found if c.running and c.project in projects])
    room = facts.space(facts.engine_directory())
    return {
        "stacks": [_stack(StackState(root, name), name, found, loads, edge_switch, records) for name in names],
        "disk": {"free": room.free, "size": room.size},
    }


def _projects(stack: str) -> list[str]:
    return [data_project(stack), *(colour_project(stack, colour) for colour in ("blue", "green"))]


def _stack(
    state: StackState,
    name: str,
    found: Iterable[Container],
    loads: Mapping[str, Load],
    edge_switch: list[str],
    records: int,
) -> dict[str, Any]:
    serving, journal = state.serving(), state.journal()
    current, previous = serving.current, serving.previous
    all_records = state.records()
    served = [r for r in all_records if current and r.get("release") == current.release and _succeeded(r)]
    described = read_description(state.release_directory(current.release)) if current else None
    wanted = described["description"]["services"] if described else {}
    projects = [data_project(name), *([colour_project(name, current.colour)] if current else [])]
    containers = [c for c in found if c.project in projects]
    missing = [s for s in wanted if s not in {c.service for c in containers}]
    newest = backups.latest(backups.newest(state.backups), state.backup_records())
    return {
        "name": name,
        "domain": described["description"].get("domain", "") if described else "",
        "release": current.release if current else "",
        "colour": current.colour if current else "",
        "since": served[-1]["at"] if served else "",
        "by": served[-1].get("by", "") if served else "",
        "commit": served[-1].get("commit", "") if served else "",
        "way_back": previous.release if previous else "",
        **{"edge_" + key: value for key, value in _edge(edge_switch, name).items()},
        "interrupted": journal.operation if journal else "",
        "backup": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(newest[1])) if newest else "",
        "services": [_service(c, loads.get(c.name, {})) for c in containers]
        + [{"service": s, "state": "missing", "health": "", "restarts": 0} for s in missing],
        "jobs": _jobs(state),
        "records": [{k: r[k] for k in _RECORDED if k in r} for r in all_records[-records:]] if records else [],
    }


def _jobs(state: StackState) -> list[dict[str, Any]]:
    with contextlib.suppress(UserError):
        return jobs.jobs_of(state)
    return []


def _succeeded(record: Mapping[str, Any]) -> bool:
    return record.get("outcome") == "succeeded"


def _service(container: Container, load: Load) -> dict[str, Any]:
    return {
        "service": container.service,
        "container": container.name,
        "node": container.node,
        "state": container.state,
        "health": container.health,
        "restarts": container.restarts,
        "since": f"{container.since}Z",
        "image": container.reference,
        **load,
    }


def _edge(edge_switch: list[str], stack: str) -> dict[str, str]:
    """Whom the edge sends requests to, and until when its certificate is valid; what it does not tell is left out."""
    told: dict[str, str] = {}
    if edge_switch and Path(edge_switch[0]).exists():
        for question, key in (("status", "serving"), ("certificate", "ends")):
            with contextlib.suppress(UserError, ValueError, AttributeError):
                told[key] = str(json.loads(facts.run([*edge_switch, question, stack])).get(key) or "")
    return told


def _loads(api: DockerApi, running: list[Container]) -> dict[str, Load]:
    """Processor and memory of running containers, from two looks a moment apart."""
    if not running:
        return {}
    names = [container.name for container in running]
    with ThreadPoolExecutor(max_workers=min(16, len(names))) as pool:
        first = dict(zip(names, pool.map(lambda name: _look(api, name), names)))
        time.sleep(_SAMPLE)
        second = dict(zip(names, pool.map(lambda name: _look(api, name), names)))
    return {name: load_of(first[name], second[name]) for name in names}


def _look(api: DockerApi, name: str) -> dict[str, Any]:
    # A container that went since the list was made has no figures.
    with contextlib.suppress(DockerError):
        told = api.get("/containers/{}/stats", name, stream="false", **{"one-shot": "true"})
        if isinstance(told, dict):
            return told
    return {}


def load_of(first: Mapping[str, Any], second: Mapping[str, Any]) -> Load:
    """What two answers of the engine's stats say.

    Returns:
        `cpu_percent`, of one processor, and `memory_bytes` without the file cache that goes when room is wanted;
        what the engine did not tell is left out.
    """
    load: dict[str, Any] = {}
    try:
        used = second["memory_stats"]["usage"] - second["memory_stats"].get("stats", {}).get("inactive_file", 0)
        load["memory_bytes"] = max(0, used)
        busy = second["cpu_stats"]["cpu_usage"]["total_usage"] - first["cpu_stats"]["cpu_usage"]["total_usage"]
        whole = second["cpu_stats"]["system_cpu_usage"] - first["cpu_stats"]["system_cpu_usage"]
        if whole > 0:
            load["cpu_percent"] = round(100 * busy / whole * second["cpu_stats"].get("online_cpus", 1), 1)
    except (KeyError, TypeError):
        pass
    return load
