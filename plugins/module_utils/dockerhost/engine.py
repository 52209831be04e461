# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the engine of a host says of itself and of the swarm that it is part of."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

from ..docker.api import DockerApi
from ..errors import DockerError, UserError

SOCKET = "/var/run/docker.sock"
# By this label a swarm's managers know a node under its name in the inventory, also when it no longer answers.
NAME_LABEL = "sluice.name"


class Node(TypedDict):
    """A node as managers see it; `reachable` is of managers alone."""

    id: str
    name: str
    """In the inventory; empty for a node that something else made."""
    hostname: str
    role: str
    up: bool
    reachable: bool


class Network(TypedDict):
    """A container network; an MTU of 0 is the driver's own."""

    driver: str
    mtu: int
    encrypted: bool


class Engine(TypedDict):
    """An engine; all is empty where none answers."""

    version: str
    state: str
    """Of the swarm on this node: inactive, pending, active, error or locked."""
    error: str
    node: str
    """The node's id in its swarm."""
    address: str
    nodes: list[Node]
    """What a manager knows; empty on workers."""
    networks: dict[str, Network]


def nobody() -> Engine:
    """The engine of a host that has none."""
    return Engine(version="", state="inactive", error="", node="", address="", nodes=[], networks={})


def read_engine() -> Engine:
    """What this host's engine says, without changing it; `nobody()` where none answers."""
    if not Path(SOCKET).is_socket():
        return nobody()
    api = DockerApi(f"unix://{SOCKET}", timeout=20)
    try:
        info = api.get("/info")
        networks = api.get("/networks")
    except (DockerError, UserError):
        return nobody()
    try:
        nodes = api.get("/nodes") if info["Swarm"].get("ControlAvailable") else []
    except (DockerError, UserError):
        # A manager of a swarm that has lost its quorum.
        nodes = []
    return engine_of(info, nodes, networks)


def engine_of(info: dict[str, Any], nodes: list[dict[str, Any]], networks: list[dict[str, Any]]) -> Engine:
    """The engine's own words in our form."""
    swarm = info["Swarm"]
    return Engine(
        version=info["ServerVersion"],
        state=swarm.get("LocalNodeState") or "inactive",
        error=(swarm.get("Error") or "").rpartition(" desc = ")[2],
        node=swarm.get("NodeID") or "",
        address=swarm.get("NodeAddr") or "",
        nodes=[_node(each) for each in nodes],
        networks={each["Name"]: _network(each) for each in networks},
    )


def _node(told: dict[str, Any]) -> Node:
    return Node(
        id=told["ID"],
        name=(told["Spec"].get("Labels") or {}).get(NAME_LABEL, ""),
        hostname=told["Description"].get("Hostname", ""),
        role=told["Spec"]["Role"],
        up=told["Status"]["State"] == "ready",
        reachable=(told.get("ManagerStatus") or {}).get("Reachability") == "reachable",
    )


def _network(told: dict[str, Any]) -> Network:
    options = told.get("Options") or {}
    mtu = str(options.get("com.docker.network.driver.mtu", ""))
    return Network(driver=told["Driver"], mtu=int(mtu) if mtu.isdigit() else 0, encrypted="encrypted" in options)
