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
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..docker.containers import SERVICE
from ..docker.tasks import replicas
from ..errors import EngineError
from ..stack.swarm import Content, content_of, swarm_form
from .engine import Project
from .questions import understood
from .swarmlook import SwarmLook

_EDGE_NETWORK = "sluice-edge"
_SCHEDULED, _ENDED = 30.0, 20.0
_STACK = "deploy.sluice.stack"


class Swarm(SwarmLook):
    """A swarm, from one of its managers."""

    home = socket.gethostname()
    """The node where volumes of the engine lie: services that have them run there."""

    @understood
    def state_of(self, host: str) -> str:
        """What the swarm says of a node, such as ready and down; empty where it has none of this name."""
        found = [node["Status"]["State"] for node in self.nodes().values() if node["Description"]["Hostname"] == host]
        return min(found, key=lambda state: state != "ready", default="")

    @understood
    def ensure_network(self, name: str) -> None:
        found = self._find(f"/networks/{name}")
        if found is None:
            options = [f"--opt={key}={value}" for key, value in self._overlay_options().items()]
            labels = ("--label", "deploy.sluice=true")
            self._docker("network", "create", "--driver", "overlay", "--attachable", *options, *labels, name)
        elif found.get("Driver") != "overlay":
            raise EngineError(
                f"the network {name} is of this host alone: the stack ran here without a swarm. Take a backup, remove"
                " the stack (playbooks/remove.yml), which leaves its volumes, and release it again"
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
            self.home,
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
    def stop(self, project: str, services: Sequence[str] | None = None, wait: bool = True) -> None:
        chosen = [s for s in self._services(project) if services is None or _name(s) in services]
        if not chosen:
            super().stop(project, services)
            return
        self._docker(*_at_rest(chosen)[1:])
        if wait and not self._rest(chosen):
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

    def _rest(self, services: Sequence[dict[str, Any]]) -> bool:
        """Wait until no task of services works any more; whether that came."""
        ids = [s["ID"] for s in services]
        patience = max(_grace(s) for s in services) + _ENDED
        return self._until(lambda: not any(task.at_work for task in self._tasks(ids)), patience)

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


def _at_rest(services: Iterable[Mapping[str, Any]]) -> list[str]:
    """The command by which services have no task any more."""
    return ["docker", "service", "scale", "--detach", *(f"{s['Spec']['Name']}=0" for s in services)]


def _name(service: Mapping[str, Any]) -> str:
    return str(service["Spec"]["Labels"][SERVICE])


def _grace(service: Mapping[str, Any]) -> float:
    """Seconds that its containers have to end."""
    return float(service["Spec"]["TaskTemplate"]["ContainerSpec"].get("StopGracePeriod") or 10**10) / 10**9
