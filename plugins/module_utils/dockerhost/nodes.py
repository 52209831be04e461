# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The nodes of a swarm as an inventory describes them, and which of them leads."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from ..errors import UserError

_CHOICES = {
    "role": ("manager", "worker"),
    "availability": ("active", "drain"),
    "state": ("present", "absent"),
}
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Node(TypedDict):
    """A node as the inventory describes it."""

    role: str
    edge: bool
    address: str
    availability: str
    labels: dict[str, str]
    state: str


def nodes_of(hosts: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The nodes that an inventory's variables `swarm_…` describe.

    Args:
        hosts: The variables of each host, by its name.
        names: The swarm's hosts, in the inventory's order.
    """
    names = list(names)
    managers = [n for n in names if hosts[n].get("swarm_role") == "manager" and hosts[n].get("swarm_state") != "absent"]
    edges = next((hosts[n]["swarm_edge_nodes"] for n in names if hosts[n].get("swarm_edge_nodes")), managers[:1])
    if strangers := [name for name in edges if name not in names]:
        raise UserError(f"swarm_edge_nodes: {', '.join(map(str, strangers))}: no host of the group swarm has this name")
    keys = ("role", "address", "availability", "labels", "state")
    return {
        name: {"edge": name in edges, **{k: hosts[name][f"swarm_{k}"] for k in keys if f"swarm_{k}" in hosts[name]}}
        for name in names
    }


def parse_nodes(described: Mapping[str, Mapping[str, Any]]) -> dict[str, Node]:
    """Nodes with all of their settings.

    Raises:
        UserError: A node is described with a mistake, or none can lead.
    """
    nodes = {name: _parse_node(f"docker_host_swarm.nodes.{name}", given or {}) for name, given in described.items()}
    lead_of(nodes)
    return nodes


def _parse_node(where: str, given: Mapping[str, Any]) -> Node:
    known = {"role": "worker", "edge": False, "address": "", "availability": "active", "labels": {}, "state": "present"}
    if unknown := sorted(set(given) - set(known)):
        raise UserError(f"{where}: {', '.join(unknown)}: a node has {', '.join(known)}")
    node = {**known, **given}
    for key, choices in _CHOICES.items():
        if node[key] not in choices:
            raise UserError(f"{where}.{key}: {node[key]!r} is none of {', '.join(choices)}")
    if node["address"]:
        _check_address(f"{where}.address", node["address"])
    labels = {str(k): str(v).lower() if isinstance(v, bool) else str(v) for k, v in (node["labels"] or {}).items()}
    if wrong := [name for name in labels if not _LABEL.fullmatch(name) or name.startswith("sluice.")]:
        raise UserError(f"{where}.labels: {wrong[0]!r}: write a-z, 0-9, . _ -; sluice.… are the role's own")
    return Node(**{**node, "edge": bool(node["edge"]), "labels": labels})  # type: ignore[typeddict-item]


def _check_address(where: str, address: Any) -> None:
    try:
        ipaddress.ip_address(str(address))
    except ValueError:
        raise UserError(f"{where}: {address!r} is not an IP address; nodes reach each other without names")


def lead_of(nodes: Mapping[str, Mapping[str, Any]], wanted: str = "") -> str:
    """The node that releases: the first manager that bears an edge, or the one that is wanted, which has to be one.

    Raises:
        UserError: There is none.
    """
    managers = [n for n, each in nodes.items() if each.get("role") == "manager" and each.get("state") != "absent"]
    if not managers:
        raise UserError("swarm_role: no host of the swarm is a manager; give swarm_role: manager to one, or to three")
    edges = [name for name in managers if nodes[name].get("edge")]
    if not edges:
        raise UserError(
            f"swarm_edge_nodes: none of them is a manager ({', '.join(managers)}), and the one that releases is both"
        )
    if wanted and wanted not in edges:
        raise UserError(f"swarm_lead_node: {wanted!r} is no manager with an edge; those are {', '.join(edges)}")
    return wanted or edges[0]
