# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine's seam filled by Docker Swarm: what a release replaces runs on any node, all else on this one.

Data services, jobs and hooks stay containers of this node, on networks that reach every node, so that all that is
done with them works as on one host. Only a manager can do this.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..docker.containers import PROJECT, SERVICE
from ..docker.tasks import Task, containers_of, replicas
from ..errors import EngineError
from ..stack.swarm import Content, content_of, swarm_form
from .docker import Docker, ended_badly
from .engine import Container, Project
from .questions import understood

_EDGE_NETWORK = "sluice-edge"
_SCHEDULED, _ENDED, _POLL = 30.0, 20.0, 0.1
_STACK, _LEAD = "deploy.sluice.stack", "deploy.sluice.lead"


class Swarm(Docker):
    """A swarm, from one of its managers."""

    def __init__(self, inherit: Sequence[int] = (), timeout: float = 600) -> None:
        super().__init__(inherit, timeout)
        self._known_nodes: tuple[float, dict[str, Any]] = (-1, {})
        self._inside: dict[str, str] = {}
        """By network, a namespace of this node from which it is reached."""

    @understood
    def manages(self) -> bool:
        """Whether this node can."""
        return bool((self._ask("/info").get("Swarm") or {}).get("ControlAvailable"))

    @understood
    def ensure_network(self, name: str) -> None:
        found = self._find(f"/networks/{name}")
        if found is None:
            options = [f"--opt={key}={value}" for key, value in self._overlay_options().items()]
            labels = ("--label", "deploy.sluice=true", "--label", f"{_LEAD}={socket.gethostname()}")
            self._docker("network", "create", "--driver", "overlay", "--attachable", *options, *labels, name)
        elif found.get("Driver") != "overlay":
            raise EngineError(
                f"the network {name} is of this host alone: the stack ran here without a swarm. Take a backup, remove"
                " the stack (playbooks/remove.yml), which leaves its volumes, and release it again"
            )
        elif (lead := (found.get("Labels") or {}).get(_LEAD, socket.gethostname())) != socket.gethostname():
            raise EngineError(
                f"the stack's data and record are on the node {lead}, from which it was released before: name that one"
                " first among the managers, or recover the stack from a backup"
            )

    @understood
    def remove_network(self, name: str) -> None:
        for each in (f"{name}_blue", f"{name}_green", name):
            if self.has_network(each):
                # A task that has ended lets go of its network a moment later.
                argv = ["docker", "network", "rm", each]
                if not self._until(functools.partial(self._succeeds, argv), _ENDED):
                    raise EngineError(f"the network {each} is still in use: docker network inspect {each}")

    @understood
    def up(self, project: Project, services: Sequence[str], anew: bool = False) -> None:
        if not project.colour:
            super().up(project, services, anew)
            return
        stack = project.name.removesuffix(f"-{project.colour}")
        config = json.loads(self._compose(project, "config", "--format", "json"))
        form, contents = swarm_form(
            config,
            project.name,
            project.colour,
            services,
            self._everywhere,
            lambda place, secret: content_of(stack, place, secret),
            socket.gethostname(),
            self._overlay_options(),
        )
        for content in contents:
            self._bring(stack, content)
        argv = ["docker", "stack", "deploy", "--resolve-image", "never", "--with-registry-auth", "--detach=true"]
        self._checked([*argv, "--compose-file", "-", stack], self._timeout, said=json.dumps(form))
        begun = {s["ID"]: replicas(s) for s in self._services(project.name) if _name(s) in services}
        if not self._until(lambda: sum(t.wanted for t in self._tasks(begun)) >= sum(begun.values()), _SCHEDULED):
            raise EngineError(f"the swarm has not begun {', '.join(services)} within {_SCHEDULED:g} s")
        self._forget_contents(stack)

    @understood
    def containers(self, project: str) -> list[Container]:
        services = self._services(project)
        if not services:
            return super().containers(project)
        tasks = self._tasks(s["ID"] for s in services)
        return sorted(containers_of(services, tasks, self._reach), key=lambda c: c.name)

    @understood
    def stop(self, project: str, services: Sequence[str] | None = None) -> None:
        chosen = [s for s in self._services(project) if services is None or _name(s) in services]
        if not chosen:
            super().stop(project, services)
            return
        self._docker(*_at_rest(chosen)[1:])
        if not self._rest(chosen):
            raise EngineError(f"{project} does not stop: see docker service ps")

    @understood
    def rest_command(self, project: str, services: Sequence[str]) -> list[str]:
        known = self._services(project)
        if not known:
            return super().rest_command(project, services)
        found = [s for s in known if _name(s) in services and replicas(s)]
        return _at_rest(found) if found else []

    @understood
    def remove(self, project: str) -> None:
        if services := self._services(project):
            self._docker("service", "rm", *(s["Spec"]["Name"] for s in services))
            self._rest(services)
            self._forget_contents(services[0]["Spec"]["Labels"].get("com.docker.stack.namespace", ""))
        super().remove(project)

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
        if task["NodeID"] != self._ask("/info")["Swarm"]["NodeID"]:
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
        nodes = self._nodes()
        return [Task(task, nodes.get(task.get("NodeID", ""))) for task in told]

    def _nodes(self) -> dict[str, Any]:
        """By id. Whether one is lost shows after some 12 s, so an answer is good for one."""
        asked, nodes = self._known_nodes
        if time.monotonic() - asked > 1:
            nodes = {n["ID"]: n for n in self._ask("/nodes")}
            self._known_nodes = time.monotonic(), nodes
        return nodes

    def _rest(self, services: Sequence[dict[str, Any]]) -> bool:
        """Wait until no task of services works any more; whether that came."""
        ids = [s["ID"] for s in services]
        patience = max(_grace(s) for s in services) + _ENDED
        return self._until(lambda: not any(task.at_work for task in self._tasks(ids)), patience)

    def _reach(self, networks: Mapping[str, str]) -> tuple[str, str]:
        """One of the addresses of a task, and the network namespace of this node from which it is reached.

        Args:
            networks: Its addresses by network.
        """
        for network, address in networks.items():
            # A release asks often; a container that has ended takes its namespace along.
            if not os.path.exists(self._inside.get(network, "")):
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

    def _overlay_options(self) -> dict[str, str]:
        """Every network of ours is as the edge's is: encrypted or not, with its size of packets."""
        found = self._find(f"/networks/{_EDGE_NETWORK}")
        if not found or found.get("Driver") != "overlay":
            raise EngineError(f"the swarm has no overlay network {_EDGE_NETWORK}: run docker_host on its nodes")
        told: dict[str, str] = found.get("Options") or {}
        return {key: value for key, value in told.items() if not key.endswith("vxlanid_list")}

    def _everywhere(self, reference: str) -> str:
        """An image as all nodes know it: by a registry's digest, or where none has it by its id."""
        found = self._find(f"/images/{reference}/json")
        if found is None:
            raise EngineError(f"{reference} is not on this node")
        ours = reference.rpartition(":")[0]
        digests = [digest for digest in found.get("RepoDigests") or [] if digest.partition("@")[0] != ours]
        return str(digests[0] if digests else found["Id"])

    def _bring(self, stack: str, content: Content) -> None:
        kind = "secret" if content.secret else "config"
        named = self._ask(f"/{kind}s", filters=json.dumps({"name": [content.name]}))
        if not any(found["Spec"]["Name"] == content.name for found in named):
            self._docker(kind, "create", "--label", f"{_STACK}={stack}", content.name, content.place)

    def _forget_contents(self, stack: str) -> None:
        """Secrets and configs of the stack that no service has any more."""
        wanted = json.dumps({"label": [f"com.docker.stack.namespace={stack}"]})
        specs = [s["Spec"]["TaskTemplate"]["ContainerSpec"] for s in self._ask("/services", filters=wanted)]
        for kind, key, name in (("secret", "Secrets", "SecretName"), ("config", "Configs", "ConfigName")):
            used = {taken[name] for spec in specs for taken in spec.get(key) or ()}
            of_stack = json.dumps({"label": [f"{_STACK}={stack}"]})
            for found in self._ask(f"/{kind}s", filters=of_stack):
                if found["Spec"]["Name"] not in used:
                    # One that a task on its way out still has goes another time.
                    with contextlib.suppress(EngineError):
                        self._docker(kind, "rm", found["Spec"]["Name"])

    def _succeeds(self, argv: list[str]) -> bool:
        return not self._run(argv, 60).returncode

    def _until(self, done: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL)
        return True


def _at_rest(services: Iterable[Mapping[str, Any]]) -> list[str]:
    """The command by which services have no task any more."""
    return ["docker", "service", "scale", "--detach", *(f"{s['Spec']['Name']}=0" for s in services)]


def _name(service: Mapping[str, Any]) -> str:
    return str(service["Spec"]["Labels"][SERVICE])


def _grace(service: Mapping[str, Any]) -> float:
    """Seconds that its containers have to end."""
    return float(service["Spec"]["TaskTemplate"]["ContainerSpec"].get("StopGracePeriod") or 10**10) / 10**9
