# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tasks of a swarm, as containers are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .containers import PROJECT, SERVICE, Container

_OVER = ("complete", "shutdown", "failed", "rejected", "remove", "orphaned")
# A task that ended well is one that should not have ended: by itself, or because its check failed.
_FAILED = ("failed", "rejected", "complete")
# The state of a task, as an engine calls that of a container; what is not named has yet to start.
_STATES = {"running": "running", **dict.fromkeys(_OVER, "exited"), "preparing": "preparing"}
Reach = Callable[[Mapping[str, str]], tuple[str, str]]


class Task:
    """One task, and the node that it was given to."""

    def __init__(self, told: Mapping[str, Any], node: Mapping[str, Any] | None) -> None:
        self.told, self._node = told, node
        self.id: str = told["ID"]
        self.service: str = told["ServiceID"]
        self.state: str = told["Status"]["State"]

    @property
    def wanted(self) -> bool:
        """Whether the swarm means it to run."""
        return self.told["DesiredState"] in ("running", "ready", "accepted", "assigned")

    @property
    def at_work(self) -> bool:
        """Whether it may answer requests, or write; what a lost node said last is not believed."""
        return self.state not in (*_OVER, "new", "pending") and self._alive

    @property
    def node(self) -> str:
        return str(self._node["Description"]["Hostname"]) if self._node else "no node"

    @property
    def exit_code(self) -> int:
        return int((self.told["Status"].get("ContainerStatus") or {}).get("ExitCode") or 0)

    @property
    def _alive(self) -> bool:
        return bool(self._node) and (self._node or {}).get("Status", {}).get("State") == "ready"

    def addresses(self) -> dict[str, str]:
        """By network."""
        attached = self.told.get("NetworksAttachments") or ()
        found = {a["Network"]["Spec"]["Name"]: a.get("Addresses") for a in attached}
        return {network: addresses[0].partition("/")[0] for network, addresses in found.items() if addresses}


def replicas(service: Mapping[str, Any]) -> int:
    """How many tasks a service is to have."""
    return int(service["Spec"]["Mode"]["Replicated"]["Replicas"])


def containers_of(services: Sequence[Mapping[str, Any]], tasks: Sequence[Task], reach: Reach) -> Iterator[Container]:
    """For each place of each service the newest task, as a container.

    Args:
        services: As the swarm describes them.
        tasks: All of theirs.
        reach: Tells of a task's addresses by network one, and the network namespace from which it answers.
    """
    for service in services:
        slots: dict[int, list[Task]] = {}
        for task in tasks:
            if task.service == service["ID"]:
                slots.setdefault(task.told.get("Slot", 0), []).append(task)
        for slot, inside in sorted(slots.items()):
            inside.sort(key=lambda task: task.told["CreatedAt"])
            # Places beyond the number that is wanted now are of another time.
            if replicas(service) and not any(task.wanted for task in inside):
                continue
            yield _container(service, slot, inside, reach)


def _container(service: Mapping[str, Any], slot: int, tasks: Sequence[Task], reach: Reach) -> Container:
    newest, spec = tasks[-1], service["Spec"]
    # Those before the last change of the service tell of another time, too.
    failed = [t for t in tasks if t.state in _FAILED and t.told["CreatedAt"] >= service["UpdatedAt"]]
    told, running = failed[-1] if failed else newest, newest.state == "running"
    checked = (spec["TaskTemplate"]["ContainerSpec"].get("Healthcheck") or {}).get("Test", ["NONE"]) != ["NONE"]
    unhealthy = checked and not running and told.state == "complete"
    address, namespace = reach(newest.addresses()) if running else ("", "")
    return Container(
        id=told.id,
        name=f"{spec['Name']}.{slot}@{newest.node}",
        service=spec["Labels"][SERVICE],
        state="created" if unhealthy else _STATES.get(newest.state, "created"),
        # A swarm calls a task running once it is healthy, and ends one that is so no more.
        health=("healthy" if running else "unhealthy" if unhealthy else "starting") if checked else "",
        exit_code=told.exit_code,
        restarts=0 if unhealthy else len(failed),
        address=address,
        image=spec["TaskTemplate"]["ContainerSpec"]["Image"],
        project=spec["Labels"][PROJECT],
        reference=spec["TaskTemplate"]["ContainerSpec"]["Image"],
        since=newest.told["Status"]["Timestamp"][:19],
        namespace=namespace,
        node=newest.node,
        refusal=f"{told.node}: {told.told['Status'].get('Err', '')}" if told.state == "rejected" else "",
    )
