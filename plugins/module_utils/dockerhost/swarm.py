# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to be done for hosts to form a swarm, or why they cannot: pure verdicts over a description and facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from ..errors import UserError
from .engine import Engine, Network
from .engine import Node as Seen
from .nodes import Node, lead_of, parse_nodes

NETWORK = "sluice-edge"
# Certificates and elections stand more, tokens and logs do not; a slow connection counts as well.
CLOCKS_APART = 30
_SETTING = {"autolock": False, "encrypted": False, "mtu": 0, "certificate_days": 90}


class Facts(TypedDict):
    """What M(sluice.deploy.docker_host_preflight) found on a host; of the uplink its MTU, of the clock the seconds."""

    engine: Engine
    address: str
    uplink: dict[str, Any]
    clock_ahead: float


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
