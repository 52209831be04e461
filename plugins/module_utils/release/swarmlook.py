# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release asks a swarm: its services, their tasks on all nodes, and what those say."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..docker.containers import PROJECT
from ..docker.tasks import Task, containers_of
from ..errors import EngineError
from .docker import Docker
from .dockercommands import ended_badly
from .engine import Container
from .questions import understood

_POLL = 0.1


class SwarmLook(Docker):
    """A swarm as one of its managers sees it; what it does not know is this node's own."""

    def __init__(self, inherit: Sequence[int] = (), timeout: float = 600) -> None:
        super().__init__(inherit, timeout)
        self._known_nodes: tuple[float, dict[str, Any]] = (-1, {})
        self._inside: dict[str, str] = {}
        """By network, a namespace of this node from which it is reached."""

    @understood
    def manages(self) -> bool:
        """Whether this node can."""
        return bool((self._ask("/info").get("Swarm") or {}).get("ControlAvailable"))

    @property
    def node_id(self) -> str:
        return str(self._ask("/info")["Swarm"]["NodeID"])

    def nodes(self) -> dict[str, Any]:
        """By id. Whether one is lost shows after some 12 s, so an answer is good for one."""
        asked, nodes = self._known_nodes
        if time.monotonic() - asked > 1:
            nodes = {n["ID"]: n for n in self._ask("/nodes")}
            self._known_nodes = time.monotonic(), nodes
        return nodes

    @understood
    def containers(self, project: str) -> list[Container]:
        services = self._services(project)
        if not services:
            return super().containers(project)
        tasks = self._tasks(s["ID"] for s in services)
        return sorted(containers_of(services, tasks, self._reach), key=lambda c: c.name)

    @understood
    def logs(self, container: str, lines: int) -> str:
        task = self._task(container)
        if not task:
            return super().logs(container, lines)
        argv = ["docker", "service", "logs", "--raw", "--tail", str(lines), container]
        done = self._run(argv, timeout=60, merge=True) if task["Status"].get("ContainerStatus") else None
        if done and done.returncode:
            raise ended_badly(argv, done.returncode, done.stdout)
        said = done.stdout if done else ""
        return "\n".join(text for text in (said.rstrip("\n"), task["Status"].get("Err", "")) if text)

    @understood
    def log(self, container: Container, lines: int, since: str) -> str:
        if not self._task(container.id):
            return super().log(container, lines, since)
        argv = ["docker", "service", "logs", "--raw", "--timestamps", "--tail", str(lines or "all")]
        done = self._run([*argv, *(["--since", since] if since else []), container.id], timeout=60, merge=True)
        if done.returncode:
            raise EngineError(f"{container.name}: {ended_badly(argv, done.returncode, done.stdout)}")
        return done.stdout

    @understood
    def execute(self, container: str, command: Sequence[str], **streams: Any) -> int:
        task = self._task(container)
        if not task:
            return super().execute(container, command, **streams)
        if task["NodeID"] != self.node_id:
            raise EngineError(f"{container} runs on another node; run the command there, or in a new container")
        return super().execute(task["Status"]["ContainerStatus"]["ContainerID"], command, **streams)

    def _services(self, project: str) -> list[dict[str, Any]]:
        wanted = json.dumps({"label": [f"{PROJECT}={project}"]})
        return list(self._ask("/services", filters=wanted))

    def _task(self, identifier: str) -> dict[str, Any] | None:
        # The name of a container is a question for the engine, and none for the swarm.
        found = self._find(f"/tasks/{identifier}") if len(identifier) == 25 else None
        return found if isinstance(found, dict) else None

    def _tasks(self, services: Iterable[str]) -> list[Task]:
        """The tasks of services, by their ids; those of services that are gone are gone soon, too."""
        ids = set(services)
        try:
            told = self._ask("/tasks", filters=json.dumps({"service": sorted(ids)}))
        except EngineError as error:
            if "not found" not in str(error):
                raise
            told = [task for task in self._ask("/tasks") if task["ServiceID"] in ids]
        nodes = self.nodes()
        return [Task(task, nodes.get(task.get("NodeID", ""))) for task in told]

    def _reach(self, networks: Mapping[str, str]) -> tuple[str, str]:
        """One of the addresses of a task, and the network namespace of this node from which it is reached.

        Args:
            networks: Its addresses by network.
        """
        for network, address in networks.items():
            # A release asks often; a container that has ended takes its namespace along, and may leave a bare file.
            if not os.path.ismount(self._inside.get(network, "")):
                self._inside[network] = self._namespace(network)
            if self._inside[network]:
                return address, self._inside[network]
        return "", ""

    def _namespace(self, network: str) -> str:
        """That of a container of this node which is on the network; empty where none is."""
        for identifier in (self._find(f"/networks/{network}") or {}).get("Containers") or {}:
            told = self._find(f"/containers/{identifier}/json") if len(identifier) == 64 else None
            if told and (told.get("State") or {}).get("Running"):
                return str(told["NetworkSettings"]["SandboxKey"])
        return ""

    def _until(self, done: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL)
        return True
