# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be done for hosts to form a swarm, or why they cannot: pure verdicts over a description and facts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from ..errors import UserError
from .engine import Engine, Network
from .engine import Node as Seen

NETWORK = "sluice-edge"
# Certificates and elections stand more, tokens and logs do not; a slow connection counts as well.
CLOCKS_APART = 30
_CHOICES = {
    "role": ("manager", "worker"),
    "availability": ("active", "drain"),
    "state": ("present", "absent"),
}
_SETTING = {"autolock": False, "encrypted": False, "mtu": 0, "certificate_days": 90}
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Node(TypedDict):
    """A node as the inventory describes it."""

    role: str
    edge: bool
    address: str
    availability: str
    labels: dict[str, str]
    state: str


class Facts(TypedDict):
    """What M(sluice.deploy.docker_host_preflight) found on a host; of the uplink its MTU, of the clock the seconds."""

    engine: Engine
    address: str
    uplink: dict[str, Any]
    clock_ahead: float


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


def lead_of(nodes: Mapping[str, Mapping[str, Any]]) -> str:
    """The node that releases: the first manager that bears an edge.

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
    return edges[0]


def plan(described: Mapping[str, Any], facts: Mapping[str, Facts]) -> dict[str, Any]:
    """What is to be done, with a sentence for each `problem` in its way and each `note`.

    Args:
        described: The setting `docker_host_swarm`.
        facts: Of each node that is to be present, by its name.
    """
    try:
        if unknown := sorted(set(described) - {"nodes", *_SETTING}):
            raise UserError(f"docker_host_swarm: {', '.join(unknown)}: it has nodes, {', '.join(_SETTING)}")
        nodes = parse_nodes(described.get("nodes") or {})
    except UserError as error:
        return {"problems": [str(error)]}
    settings = {**_SETTING, **described}
    present = {name: node for name, node in nodes.items() if node["state"] == "present"}
    unlooked = [name for name in present if name not in facts]
    if unlooked:
        return {
            "problems": [
                f"{', '.join(unlooked)}: not looked at in this run, and the nodes of a swarm know each other; "
                "run over all of them, without --limit"
            ]
        }
    lead = lead_of(nodes)
    engines = {name: facts[name]["engine"] for name in present}
    # Whoever manages the swarm that exists; the lead may be new in it.
    knowing = [n for n in (lead, *present) if present[n]["role"] == "manager" and engines[n]["nodes"]]
    anchor = knowing[0] if knowing else lead
    seen = engines[anchor]["nodes"]
    addresses = {n: present[n]["address"] or engines[n]["address"] or facts[n]["address"] for n in present}
    network = Network(
        driver="overlay", mtu=_mtu(settings["mtu"], present, facts), encrypted=bool(settings["encrypted"])
    )
    leaving = _leaving(nodes, seen)
    return {
        "lead": lead,
        "anchor": anchor,
        "nodes": present,
        "ids": {name: engines[name]["node"] for name in present},
        "addresses": addresses,
        "join_by": f"[{addresses[anchor]}]:2377" if ":" in addresses[anchor] else f"{addresses[anchor]}:2377",
        "network": network,
        "network_is_there": NETWORK in engines[anchor]["networks"],
        "leaving": leaving,
        "problems": [
            *(f"{name}: no address is known; set swarm_address" for name in present if not addresses[name]),
            *_memberships(present, engines, anchor),
            *_quorum(nodes, seen),
            *_engines(engines),
            *_clocks({name: facts[name]["clock_ahead"] for name in present}),
            *_networks(engines, anchor, network, settings["mtu"]),
        ],
        "notes": _notes(nodes, seen),
    }


def _mtu(wanted: Any, present: Iterable[str], facts: Mapping[str, Facts]) -> int:
    """The uplinks' MTU, from which the driver takes what its headers need; 0 where it is Ethernet's or above."""
    lowest = min(int(facts[name]["uplink"].get("mtu", 1500)) for name in present)
    return int(wanted) or (lowest if lowest < 1500 else 0)


def _leaving(nodes: Mapping[str, Node], seen: Iterable[Seen]) -> list[dict[str, Any]]:
    """Those to take out, those that are lost already first: each goes while most of the others can agree on it."""
    absent = [each for each in seen if each["name"] in nodes and nodes[each["name"]]["state"] == "absent"]
    return [{k: e[k] for k in ("name", "id", "up")} for e in sorted(absent, key=lambda each: each["up"])]


def _memberships(present: Mapping[str, Node], engines: Mapping[str, Engine], anchor: str) -> list[str]:
    problems = []
    seen = engines[anchor]["nodes"]
    ids = {each["id"] for each in seen}
    for name in present:
        engine = engines[name]
        if engine["state"] == "locked":
            problems.append(f"{name}: its swarm is locked; unlock it there: docker swarm unlock")
        elif engine["state"] in ("pending", "error"):
            problems.append(
                f"{name}: it belongs to a swarm that it does not reach ({engine['error'] or engine['state']}); "
                "let it leave there: docker swarm leave --force"
            )
        elif engine["state"] == "active" and not seen:
            problems.append(
                f"{name}: it is in a swarm of which no manager is here that answers; bring back most of its managers, "
                "or let it leave there: docker swarm leave --force"
            )
        elif engine["state"] == "active" and engine["node"] not in ids:
            problems.append(
                f"{name}: it is in another swarm than {anchor}; if nothing there is needed, let it leave: "
                "docker swarm leave --force"
            )
    # Nodes of ours bear their names; what bears none, and is no attempt to join that failed, something else brought.
    mine = {engines[name]["node"] for name in present}
    strangers = [each["hostname"] for each in seen if each["up"] and not each["name"] and each["id"] not in mine]
    if strangers:
        problems.append(
            f"{anchor}: something else made its swarm, with nodes that the group swarm does not have "
            f"({', '.join(strangers)}); name them there, or let them leave"
        )
    return problems


def _quorum(nodes: Mapping[str, Node], seen: Iterable[Seen]) -> list[str]:
    """Whether enough managers stay when those leave, or become workers, that are to."""
    managers = [each for each in seen if each["role"] == "manager"]
    stay = [e for e in managers if e["name"] not in nodes or _manages(nodes[e["name"]])]
    answering = [each for each in stay if each["reachable"]]
    going = [each["name"] for each in managers if each not in stay]
    if not going or len(answering) > len(stay) // 2:
        return []
    lost = [each["name"] or each["hostname"] for each in stay if not each["reachable"]]
    return [
        f"{', '.join(going)}: without them {len(answering)} of {len(stay)} managers would answer, and a swarm without "
        f"most of them takes no order; bring back {', '.join(lost) or 'a manager'} first, or let it leave as well"
    ]


def _manages(node: Node) -> bool:
    return node["state"] == "present" and node["role"] == "manager"


def _engines(engines: Mapping[str, Engine]) -> list[str]:
    versions = {name: engine["version"] for name, engine in engines.items() if engine["version"]}
    if len({version.partition(".")[0] for version in versions.values()}) < 2:
        return []
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    return [f"the nodes' engines differ in their first number ({told}); bring them to one: docker_host_version"]


def _clocks(ahead: Mapping[str, float]) -> list[str]:
    first, last = min(ahead, key=lambda n: ahead[n]), max(ahead, key=lambda n: ahead[n])
    apart = ahead[last] - ahead[first]
    if apart <= CLOCKS_APART:
        return []
    return [f"the clocks of {first} and {last} are {apart:.0f} s apart; let both follow a time server: timedatectl"]


def _networks(engines: Mapping[str, Engine], anchor: str, wanted: Network, mtu_setting: Any) -> list[str]:
    problems = [
        f"{name}: there is a network {NETWORK} of one host, as a Compose deployment makes it; remove that deployment "
        f"first: playbooks/remove.yml, then docker compose -p {NETWORK} down && docker network rm {NETWORK}"
        for name, engine in engines.items()
        if engine["networks"].get(NETWORK, wanted)["driver"] != "overlay"
    ]
    there = engines[anchor]["networks"].get(NETWORK)
    if there and not problems:
        for key in ("encrypted", *(("mtu",) if mtu_setting else ())):
            if there[key] != wanted[key]:  # type: ignore[literal-required]
                problems.append(
                    f"docker_host_swarm.{key}: the network {NETWORK} has {key} {there[key]}, and keeps it "  # type: ignore[literal-required]
                    "as long as it is; set it so, or remove what uses the network, and the network"
                )
    return problems


def _notes(nodes: Mapping[str, Node], seen: Iterable[Seen]) -> list[str]:
    notes = []
    managers = [name for name, node in nodes.items() if _manages(node)]
    if len(managers) % 2 == 0:
        notes.append(
            f"{len(managers)} managers ({', '.join(managers)}) bear the loss of {(len(managers) - 1) // 2}, "
            f"no more than {len(managers) - 1} would: an odd number is better"
        )
    for each in seen:
        if each["name"] and each["name"] not in nodes:
            notes.append(f"{each['name']}: in the swarm, and not in the inventory; give it swarm_state: absent once")
    return notes
