# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The nodes of a swarm: which are there, and whether its managers can lose one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..docker.containers import Container
from ..results import GateResult, gate_result

_ADVICE = "see docker node ls on a manager; a node that is gone for good leaves with swarm_state: absent"


def judge_nodes(nodes: Sequence[Mapping[str, Any]], found: Iterable[Container]) -> list[GateResult]:
    """A result for the nodes, and one for the managers' quorum.

    Args:
        nodes: As the swarm describes them.
        found: The tasks, to draw what runs where.
    """
    there = sorted(nodes, key=lambda node: str(node["Description"]["Hostname"]))
    away = [node for node in there if node["Status"]["State"] != "ready"]
    tasks: dict[str, list[str]] = {}
    for task in sorted((c for c in found if c.running and c.node), key=lambda c: c.name):
        tasks.setdefault(task.node, []).append(task.name.partition("@")[0])
    managers = [node for node in there if node.get("ManagerStatus")]
    reachable = [node for node in managers if node["ManagerStatus"].get("Reachability") == "reachable"]
    quorum = len(managers) // 2 + 1
    spare = len(reachable) - quorum
    return [
        gate_result(
            "swarm.nodes",
            "Every node of the swarm is there",
            "fail" if away else "pass",
            measured=f"{len(there) - len(away)} of {len(there)} ready",
            limit="all ready",
            evidence=[_drawn(node, tasks.get(node["Description"]["Hostname"], [])) for node in there],
            advice=[_ADVICE] if away else [],
        ),
        gate_result(
            "swarm.managers",
            "The swarm can lose a manager",
            "fail" if spare < 0 else "pass" if spare > 0 and len(managers) % 2 else "warn",
            measured=f"{len(reachable)} of {len(managers)} managers reachable",
            limit=f"more than the {quorum} that they need, an odd number",
            advice=[] if spare > 0 and len(managers) % 2 else ["give three or five hosts swarm_role: manager"],
        ),
    ]


def judge_edges(told: Mapping[str, Any]) -> GateResult:
    """Whether all edges have one certificate.

    Args:
        told: What `edge-switch --everywhere certificate` says.
    """
    nodes: Mapping[str, Any] = told["nodes"]
    away = [str(name) for name in told.get("left_out") or ()]
    equal = bool(told["equal"])
    return gate_result(
        "swarm.edges",
        "All edges have one certificate",
        "fail" if not equal else "warn" if away else "pass",
        measured="one" if equal else "several",
        limit="one",
        evidence=[f"{name}: {node['fingerprint'][:16]}, until {node['ends']}" for name, node in sorted(nodes.items())]
        + [f"{name} is down, and not asked" for name in away],
        advice=[] if equal else ["run site.yml with --tags nginx_certbot: the lead brings its certificate again"],
    )


def _drawn(node: Mapping[str, Any], tasks: Sequence[str]) -> str:
    """One line: the node, what it is, and what runs there."""
    manager = node.get("ManagerStatus") or {}
    words = ["leader" if manager.get("Leader") else "manager" if manager else "worker", node["Status"]["State"]]
    words += [node["Spec"]["Availability"]] if node["Spec"].get("Availability", "active") != "active" else []
    words += ["edge"] if (node["Spec"].get("Labels") or {}).get("sluice.edge") == "true" else []
    return f"{node['Description']['Hostname']} ({', '.join(words)}): {', '.join(tasks) or 'nothing of a release'}"
