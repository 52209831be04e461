# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the engine and the kernel tell of the edge: who is on its network, which nginx runs, and its workers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .model import Edge

# What is read of a container, as `docker inspect` has it: all of it would be nine times as much for each.
INSPECTED = (
    '{"Name":{{json .Name}},"Image":{{json .Image}},"State":{"Pid":{{json .State.Pid}}},'
    '"Config":{"Image":{{json .Config.Image}}},"NetworkSettings":{"Networks":{{json .NetworkSettings.Networks}},'
    '"SandboxKey":{{json .NetworkSettings.SandboxKey}}}}'
)


class Endpoint(NamedTuple):
    """A running container's place on the edge network; while it lasts, it keeps its address and aliases."""

    container: str
    address: str


class Look(NamedTuple):
    """What runs at one moment."""

    addresses: dict[str, tuple[str, ...]]
    """Alias on the edge network → addresses of the running containers that carry it."""
    master: int = 0
    """The process id of nginx's master on the host; 0 when it does not run, or runs from another image."""
    image: str = ""
    """The id of the image that it runs from; empty likewise."""
    namespace: str = ""
    """nginx's own network, where no other leads to the addresses; empty where the host's does."""


def look_at(containers: list[dict[str, Any]], edge: Edge, name: str, addresses: dict[str, tuple[str, ...]]) -> Look:
    """Read `docker inspect`.

    Args:
        containers: What it printed, of each at least what INSPECTED asks for.
        edge: The edge, with its network and image.
        name: nginx's container.
        addresses: Who is where.
    """
    seen = Look(addresses)
    for container in containers:
        if container.get("Name") == f"/{name}":
            if edge.overlay:
                seen = seen._replace(namespace=container["NetworkSettings"]["SandboxKey"])
            if container["Config"]["Image"] == edge.image:
                return seen._replace(master=container["State"]["Pid"], image=container["Image"])
    return seen


def endpoints_of(containers: Mapping[str, Mapping[str, str]]) -> dict[str, Endpoint]:
    """By their ids, what `docker network inspect` has under Containers."""
    return {
        told["EndpointID"]: Endpoint(container, told["IPv4Address"].partition("/")[0])
        for container, told in containers.items()
        if told.get("IPv4Address")
    }


def aliases_of(containers: list[dict[str, Any]], network: str) -> dict[str, list[str]]:
    """By the ids of their endpoints on the network, the aliases of containers, as `docker inspect` has them."""
    attached = [container["NetworkSettings"]["Networks"].get(network) or {} for container in containers]
    return {told["EndpointID"]: told.get("Aliases") or [] for told in attached if told.get("EndpointID")}


def addresses_of(endpoints: Mapping[str, Endpoint], aliases: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for endpoint in endpoints.keys() & aliases.keys():
        for alias in aliases[endpoint]:
            found.setdefault(alias, set()).add(endpoints[endpoint].address)
    return {alias: tuple(sorted(addresses)) for alias, addresses in found.items()}


def workers(master: int, proc: Path = Path("/proc")) -> set[int]:
    """The workers that accept connections; those that only finish old ones are not among them."""
    found = set()
    for child in _children(master, proc):
        # Between two looks it may end.
        with contextlib.suppress(OSError):
            title = (proc / child / "cmdline").read_bytes().rstrip(b"\0 ")
            if title == b"nginx: worker process":
                found.add(int(child))
    return found


def _children(master: int, proc: Path) -> list[str]:
    listed = proc / str(master) / "task" / str(master) / "children"
    try:
        return listed.read_text().split()
    except FileNotFoundError:
        # The process has just ended, or the kernel does not list them.
        return [status.parent.name for status in proc.glob("[0-9]*/stat") if _parent(status) == master]


def _parent(status: Path) -> int:
    try:
        # The name in parentheses may hold anything, so count from its end.
        return int(status.read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return 0
