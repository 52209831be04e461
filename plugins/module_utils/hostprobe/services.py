# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers held against what a stack says it consists of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..docker.containers import Container
from ..results import GateResult, Status, gate_result

_WANTED = "running, healthy"


def judge_services(
    found: Iterable[Container], services: Mapping[str, Mapping[str, Any]], max_restarts: int
) -> list[GateResult]:
    """A result for each service of the stack, and for each further one that was found."""
    # A job has done its work when a release serves.
    stay = [name for name, described in services.items() if described.get("role") != "job"]
    by_service: dict[str, list[Container]] = {name: [] for name in stay}
    for container in found:
        if container.service not in stay and _ended_well(container):
            continue
        by_service.setdefault(container.service or container.name, []).append(container)
    return [_judge(name, members, services.get(name), max_restarts) for name, members in by_service.items()]


def judge_presence(found: Iterable[Container], own: Iterable[str], further: Iterable[str]) -> list[GateResult]:
    """A failure for the stack, and for each further project, of which there is no container to judge."""
    seen = {container.project for container in found}
    own = set(own)
    away = [("container.stack", "The stack has containers")] if own and not seen & own else []
    away += [(f"container.project.{name}", f"Project {name} has containers") for name in further if name not in seen]
    advice = ["see docker compose ls --all, and deploy again; a project of another name belongs into verify_projects"]
    return [gate_result(id, title, "fail", measured="none", limit="1 or more", advice=advice) for id, title in away]


def _judge(name: str, members: list[Container], service: Mapping[str, Any] | None, max_restarts: int) -> GateResult:
    port = service is None or service.get("port") or service.get("stateful") or service.get("role") == "internal"
    worker = not port
    title = f"Worker {name} is alive" if worker else f"Service {name} is healthy"
    if not members:
        return gate_result(
            f"container.{name}",
            title,
            "fail",
            measured="no container",
            limit=_WANTED,
            advice=["see docker ps --all, and deploy again", "a service of another name belongs into verify_services"],
        )
    statuses = [_status(member, max_restarts) for member in members]
    wanted = _replicas(service)
    worst: Status = "fail" if "fail" in statuses else "warn" if "warn" in statuses else "pass"
    bad = [member for member, status in zip(members, statuses) if status != "pass"]
    conditions = [told(member) for member in bad or members]
    advice = [f"docker service logs --tail 50 {m.id}" if m.node else f"docker logs --tail 50 {m.name}" for m in bad]
    if len(members) < wanted:
        worst = "fail"
        conditions.insert(0, f"{len(members)} of {wanted} containers")
        advice.append("the same release, run again, starts what is missing")
    return gate_result(
        f"container.{name}",
        title,
        worst,
        measured="; ".join(dict.fromkeys(conditions)),
        limit=(f"{wanted} " if wanted > 1 else "")
        + _WANTED
        + (f", at most {max_restarts} restarts" if max_restarts else ", no restarts"),
        evidence=[f"{m.name}: {told(m)}, since {m.since}, {m.reference}" for m in members],
        advice=advice,
    )


def _replicas(service: Mapping[str, Any] | None) -> int:
    """How many containers a service is described to have; what is no number is for the release to refuse."""
    told = str((service or {}).get("replicas") or 1)
    return int(told) if told.isdecimal() else 1


def _ended_well(container: Container) -> bool:
    """A migration or the like, which has done its work."""
    return container.state == "exited" and container.exit_code == 0 and not container.restarted


def _status(container: Container, max_restarts: int) -> Status:
    if not container.running or container.health not in ("", "healthy"):
        return "fail"
    return "warn" if container.restarts > max_restarts else "pass"


def told(container: Container) -> str:
    """A container's condition in a few words."""
    words = [container.state if container.state != "exited" else f"exited ({container.exit_code})"]
    words += [container.health] if container.health and container.running else []
    restarts = container.restarts
    words += [f"{restarts} restart{'' if restarts == 1 else 's'}"] if restarts else []
    return ", ".join(words)
