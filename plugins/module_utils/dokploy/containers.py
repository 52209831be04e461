# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the containers of a deployment really serve, since Dokploy calls it done when Compose exits 0."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..results import GateResult, gate_result

_UNITS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
    "week": 604800,
    "month": 2592000,
    "year": 31536000,
}
_UPTIME = re.compile(r"Up (?:(\d+)|About an?|Less than a) (second|minute|hour|day|week|month|year)s?")
_EXIT_CODE = re.compile(r"\((\d+)\)")

# So often may a container start anew before it counts as crash-looping; a dependency may be slow once or twice.
MAX_RESTARTS = 3
# The engine waits ever longer between attempts, so that most looks find a crash-looping container waiting.
MAX_RESTARTING = 15
# At a look every two seconds: a minute, since the next probe after a late one may be half a minute away.
MAX_UNHEALTHY = 30


@dataclass(frozen=True)
class Container:
    """One row of `docker.getContainersByAppNameMatch`."""

    id: str
    name: str
    state: str
    status: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Container:
        """Read a row; servers before v0.29 leave status out."""
        return cls(*(str(row.get(key) or "") for key in ("containerId", "name", "state", "status")))

    @property
    def uptime(self) -> float | None:
        """Seconds since it started, as coarse as Docker says it; None where it does not."""
        match = _UPTIME.match(self.status)
        if not match:
            return None
        if "Less than a" in match.group():
            return 0
        return int(match.group(1) or 1) * _UNITS[match.group(2)]

    @property
    def exit_code(self) -> int | None:
        """How it ended, where it has."""
        match = _EXIT_CODE.search(self.status) if self.state in ("exited", "dead") else None
        return int(match.group(1)) if match else None

    def __str__(self) -> str:
        return f"{self.name}: {self.status or self.state}"


def containers_query(compose: Mapping[str, Any]) -> dict[str, str]:
    """How to ask for a service's containers, which may be on another server that Dokploy manages."""
    query = {"appName": str(compose["appName"]), "appType": "docker-compose"}
    return {**query, "serverId": compose["serverId"]} if compose.get("serverId") else query


@dataclass
class Verdict:
    """What one look at the containers says.

    Attributes:
        waiting: Not yet good, may become so.
        broken: Will not become good.
    """

    waiting: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Nothing is left to wait for."""
        return not self.waiting and not self.broken


class HealthWatch:
    """Judges repeated looks at the same containers.

    Args:
        services: Names that must each have a container; empty to take what runs.
        settle: Seconds that a container without a health check must have been up.
    """

    def __init__(self, services: Iterable[str] = (), settle: float = 10) -> None:
        self._services = list(services)
        self._settle = settle
        self._last: dict[str, Container] = {}
        self._restarts: dict[str, int] = {}
        self._unhealthy: dict[str, int] = {}
        self._restarting: dict[str, int] = {}

    def look(self, rows: Iterable[Mapping[str, Any]], project: str) -> Verdict:
        """Judge an answer of the server."""
        containers = [Container.from_row(row) for row in rows]
        verdict = Verdict()
        if not containers:
            verdict.waiting.append("no container runs")
        for service in self._services:
            # Compose's own naming; a fixed container_name cannot be told apart, so any other name will do.
            if containers and not any(_belongs(c.name, project, service) for c in containers):
                verdict.waiting.append(f"service {service} has no container")
        for container in containers:
            self._judge(container, verdict)
            self._last[container.name] = container
        return verdict

    def _judge(self, container: Container, verdict: Verdict) -> None:
        name, text = container.name, str(container)
        if self._restarted(container):
            self._restarts[name] = self._restarts.get(name, 0) + 1
        if container.state == "restarting":
            self._restarting[name] = self._restarting.get(name, 0) + 1
        if self._restarts.get(name, 0) >= MAX_RESTARTS or self._restarting.get(name, 0) >= MAX_RESTARTING:
            verdict.broken.append(f"{text} (it keeps ending and being started again)")
        elif container.state == "exited" and container.exit_code == 0:
            return
        elif container.state in ("exited", "dead", "paused", "removing"):
            verdict.broken.append(text)
        elif container.state != "running":
            verdict.waiting.append(text)
        elif "(unhealthy)" in container.status:
            self._unhealthy[name] = self._unhealthy.get(name, 0) + 1
            failed = self._unhealthy[name] >= MAX_UNHEALTHY
            (verdict.broken if failed else verdict.waiting).append(text)
        elif "(health: starting)" in container.status:
            verdict.waiting.append(text)
        elif "(healthy)" not in container.status and not self._settled(container):
            verdict.waiting.append(f"{text} (not yet up for {self._settle:g} s)")

    def _restarted(self, now: Container) -> bool:
        before = self._last.get(now.name)
        if before is None:
            return now.state == "restarting"
        if now.state == "restarting":
            return before.state != "restarting"
        if before.id != now.id or before.uptime is None or now.uptime is None:
            return False
        return before.state == "running" and now.uptime < before.uptime

    def _settled(self, container: Container) -> bool:
        if container.uptime is not None:
            return container.uptime >= self._settle
        # An older server tells no uptime: the same container, running at two looks, has to do.
        before = self._last.get(container.name)
        return before is not None and before.id == container.id and before.state == "running"


def _belongs(name: str, project: str, service: str) -> bool:
    if name.startswith(f"{project}-"):
        return re.fullmatch(rf"{re.escape(project)}-{re.escape(service)}-\d+", name) is not None
    return True


def health_gate(verdict: Verdict, count: int) -> GateResult:
    """A verdict on so many containers, in the form of all gates."""
    return gate_result(
        "dokploy.containers",
        "The containers of the deployment serve",
        "pass" if verdict.good else "fail",
        measured=f"{count} containers",
        limit="each up and healthy",
        evidence=verdict.broken + verdict.waiting,
        advice=[] if verdict.good else ["read the containers' logs"],
    )
