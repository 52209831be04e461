# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A container as an engine describes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROJECT, SERVICE = "com.docker.compose.project", "com.docker.compose.service"
# What `docker update` changes of a container that stays what it is.
_UPDATED = (
    *("BlkioWeight", "CpuShares", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime", "NanoCpus"),
    *("CpusetCpus", "CpusetMems", "Memory", "MemoryReservation", "MemorySwap", "PidsLimit", "RestartPolicy"),
)


@dataclass(frozen=True)
class Container:
    """A container of a Compose project, as far as it is waited for and judged."""

    id: str
    name: str
    service: str
    state: str
    health: str
    """`starting`, `healthy`, `unhealthy`, or empty where there is no health check."""
    exit_code: int
    restarts: int
    address: str
    image: str
    """The image's id."""
    project: str = ""
    reference: str = ""
    """What the image was called when the container was made."""
    since: str = ""
    """When it started, UTC without a zone."""
    restarted: bool = True
    """Whether the engine starts it again; what it does not is a command that is meant to end."""
    namespace: str = ""
    """The network namespace in which its address answers; empty for the host's own."""
    node: str = ""
    """The node that a swarm gave it to as a task; empty for a container of this host."""
    refusal: str = ""
    """Why that node did not start it, in its own words."""
    config_hash: str = ""
    """What Compose made of its description; empty for one that Compose did not make."""
    granted: str = ""
    """Its limits and its restart policy, JSON, those that are set."""

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def adopted(self) -> bool:
        """Whether it was taken over while it ran: Compose does not know it as its project's."""
        return self.name == adopted_name(self.project, self.service)


def adopted_name(project: str, service: str) -> str:
    """How a container is called that becomes a project's while it runs: an engine never changes labels, but names."""
    return f"{project}.{service}"


def belongs(name: str, labels: Mapping[str, str]) -> tuple[str, str]:
    """The Compose project and the service that a container is of: by its name where it was taken over."""
    project, _dot, service = name.lstrip("/").partition(".")
    if service and project.endswith("-data") and PROJECT in labels:
        return project, service
    return labels.get(PROJECT, ""), labels.get(SERVICE, "")


def parse_container(told: dict[str, Any]) -> Container | None:
    """A container from the engine's answer or `docker inspect`; None for one that `docker compose run` made."""
    config, state, networks = told["Config"], told["State"], told.get("NetworkSettings") or {}
    labels = config.get("Labels") or {}
    if labels.get("com.docker.compose.oneoff") == "True":
        return None
    host = told.get("HostConfig") or {}
    project, service = belongs(told["Name"], labels)
    addresses = [n.get("IPAddress") for n in (networks.get("Networks") or {}).values()]
    return Container(
        id=told["Id"],
        name=told["Name"].lstrip("/"),
        service=service,
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status", ""),
        exit_code=state.get("ExitCode", 0),
        restarts=told.get("RestartCount", 0),
        address=next((a for a in addresses if a), ""),
        image=told.get("Image", ""),
        project=project,
        reference=config.get("Image", ""),
        since=state.get("StartedAt", "")[:19],
        config_hash=labels.get("com.docker.compose.config-hash", ""),
        restarted=host.get("RestartPolicy", {}).get("Name") not in ("", "no"),
        granted=json.dumps({name: host[name] for name in _UPDATED if host.get(name)}, sort_keys=True),
    )
