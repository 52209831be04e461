# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All that is to be asked on the host, in one go."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..docker.containers import Container
from ..errors import UserError
from ..results import GateResult, gate_result
from ..sizes import parse_size
from ..stack.directory import StackState
from . import backups, facts, host, jobs, policy, record, services, swarm, upkeep

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "stack": {"type": "str", "required": True},
    "services": {"type": "dict", "default": {}},
    "projects": {"type": "list", "elements": "str", "default": []},
    "root": {"type": "path", "default": "/var/lib/sluice/stacks"},
    "edge_switch": {"type": "list", "elements": "str", "default": []},
    "max_restarts": {"type": "int", "default": 0},
    "max_image_size": {"type": "str", "default": ""},
    "min_disk": {"type": "str", "default": "2GB"},
    "renewal_timer": {"type": "str", "default": ""},
    "backup_max_age": {"type": "str", "default": ""},
    "max_image_age": {"type": "str", "default": ""},
    "backup_proof_max_age": {"type": "str", "default": ""},
}


@dataclass(frozen=True)
class Wishes:
    """What is to be checked on the host."""

    stack: str
    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    projects: Sequence[str] = ()
    root: str = ""
    edge_switch: Sequence[str] = ()
    max_restarts: int = 0
    min_disk: str = "0"
    renewal_timer: str = ""
    backup_max_age: str = ""
    max_image_age: str = ""
    backup_proof_max_age: str = ""


@dataclass(frozen=True)
class Seen:
    """Results, and what further checks on the host need to know."""

    results: list[GateResult]
    containers: list[Container]
    build_logs: list[str]

    def images(self, wanted: Mapping[str, Mapping[str, Any]], limit: str) -> list[dict[str, str]]:
        """The images that run, as `image_size_gate` takes them, each once; the stack's own, not its databases'."""
        chosen: dict[tuple[str, str], dict[str, str]] = {}
        for container in self.containers:
            service = wanted.get(container.service)
            if service is not None and not service.get("stateful"):
                most = str(service.get("max_size") or limit)
                entry = {"name": container.service, "image": container.image}
                chosen.setdefault((container.image, most), {**entry, **({"max_size": most} if most else {})})
        return list(chosen.values())


def look(wishes: Wishes) -> Seen:
    """Every check's result.

    Raises:
        UserError: A setting has a wrong form.
    """
    least = parse_size(wishes.min_disk, "min_disk")
    oldest = host.parse_age(wishes.max_image_age, "max_image_age") if wishes.max_image_age else 0
    ages = {name: getattr(wishes, name) for name in ("backup_max_age", "backup_proof_max_age")}
    most = {name: host.parse_age(age, name) for name, age in ages.items() if age}
    found: list[Container] = []
    results: list[GateResult] = []
    known: record.Record | None = None
    directories = ["/"]
    try:
        directories.append(facts.engine_directory())
        known = record.read_record(wishes.root, wishes.stack)
        everything = facts.containers()
        projects = {*record.projects_of(wishes.stack, known), *wishes.projects}
        found = [container for container in everything if container.project in projects]
        results += services.judge_services(found, wishes.services, wishes.max_restarts)
        own = () if wishes.services else record.projects_of(wishes.stack, known)
        results += services.judge_presence(found, own, wishes.projects)
        others = [c for c in everything if c.project in record.other_colours(wishes.stack, known)]
        # A host may be of a swarm that the stack has nothing to do with, as a Dokploy server is.
        if any(container.node for container in found):
            results += [*swarm.judge_nodes(facts.nodes(), found), *_edges(wishes)]
        results.append(record.judge_drift(wishes.stack, known, found, others, _edge(wishes, known)))
        if oldest and found:
            results.append(upkeep.judge_images(upkeep.images_of(found), oldest))
    except UserError as error:
        advice = ["systemctl status docker; the play needs become: true"]
        results.append(
            gate_result("container.engine", "The engine answers", "fail", measured=str(error), advice=advice)
        )
    results += _policy(wishes)
    results += _timer(wishes.renewal_timer)
    results.append(
        host.judge_disk([facts.space(path) for path in dict.fromkeys(directories) if os.path.isdir(path)], least)
    )
    results += upkeep.look()
    state = StackState(wishes.root, wishes.stack)
    results += _jobs(state)
    if age := most.get("backup_max_age"):
        results.append(backups.judge_backup(backups.newest(state.backups), state.backup_records(), age))
    if age := most.get("backup_proof_max_age"):
        results.append(backups.judge_proof(state.backup_records(), age))
    return Seen(results, found, list(known.build_logs) if known else [])


def _edge(wishes: Wishes, known: record.Record | None) -> dict[str, Any] | None:
    """What the edge says it serves."""
    if not (known and wishes.edge_switch):
        return None
    try:
        told: dict[str, Any] = json.loads(facts.run([*wishes.edge_switch, "status", wishes.stack]))
    except ValueError:
        raise UserError(f"{wishes.edge_switch[0]} status did not answer with JSON")
    return told


def _edges(wishes: Wishes) -> list[GateResult]:
    """What the edges of a swarm have in common; nothing, where the edge is of one host."""
    if "--everywhere" not in wishes.edge_switch:
        return []
    try:
        return [swarm.judge_edges(json.loads(facts.run([*wishes.edge_switch, "certificate", wishes.stack])))]
    except (UserError, ValueError, KeyError, TypeError) as error:
        return [gate_result("swarm.edges", "All edges have one certificate", "fail", measured=str(error))]


def _policy(wishes: Wishes) -> list[GateResult]:
    """Nothing, where the edge is another one, or has no such word yet."""
    try:
        told = json.loads(facts.run([*wishes.edge_switch, "csp", wishes.stack])) if wishes.edge_switch else None
    except (UserError, ValueError):
        return []
    return [policy.judge_policy(told)] if isinstance(told, dict) else []


def _timer(name: str) -> list[GateResult]:
    if not name:
        return []
    service = f"{name.removesuffix('.timer')}.service"
    try:
        timer = facts.unit(name, "LoadState", "ActiveState", "NextElapseUSecRealtime")
        return [host.judge_timer(name, timer, facts.unit(service, "Result", "ActiveState"))]
    except UserError as error:
        return [gate_result("host.renewal_timer", "Certificates are renewed by a timer", "fail", measured=str(error))]


def _jobs(state: StackState) -> list[GateResult]:
    try:
        rows = jobs.jobs_of(state)
    except UserError as error:
        return [gate_result("host.jobs", "Scheduled jobs run", "fail", measured=str(error))]
    return [jobs.judge_jobs(rows)] if rows else []
