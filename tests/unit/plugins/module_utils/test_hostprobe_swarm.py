"""The nodes of a swarm, judged."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.docker.containers import Container
from ansible_collections.sluice.deploy.plugins.module_utils.hostprobe.swarm import judge_edges, judge_nodes


def node(name: str, state: str = "ready", manager: str = "", **spec: Any) -> dict[str, Any]:
    told = {"Description": {"Hostname": name}, "Status": {"State": state}, "Spec": {"Availability": "active", **spec}}
    return told | ({"ManagerStatus": {"Reachability": manager, "Leader": name == "m1"}} if manager else {})


def task(name: str, state: str = "running") -> Container:
    return Container("id", name, "web", state, "", 0, 0, "", "", node=name.partition("@")[2])


def test_a_line_for_each_node_draws_what_runs_there() -> None:
    nodes = [
        node("w1", Labels={"sluice.edge": "true"}),
        *(node(f"m{n}", manager="reachable") for n in (1, 2, 3)),
    ]
    result, managers = judge_nodes(nodes, [task("crm_blue-web.1@w1"), task("crm_blue-web.2@m1"), task("crm-db")])
    assert result["status"] == managers["status"] == "pass"
    assert result["evidence"] == [
        "m1 (leader, ready): crm_blue-web.2",
        "m2 (manager, ready): nothing of a release",
        "m3 (manager, ready): nothing of a release",
        "w1 (worker, ready, edge): crm_blue-web.1",
    ]


def test_a_node_that_is_down_fails() -> None:
    result, _ = judge_nodes([node("m1", manager="reachable"), node("w1", "down")], [])
    assert (result["status"], result["measured"]) == ("fail", "1 of 2 ready")
    assert "docker node ls" in result["advice"][0]


@pytest.mark.parametrize(
    ("managers", "status"),
    [
        (["reachable"], "warn"),
        (["reachable"] * 2, "warn"),
        (["reachable"] * 3, "pass"),
        (["reachable"] * 4, "warn"),
        (["reachable", "reachable", "unreachable"], "warn"),
        (["reachable", "unreachable", "unreachable"], "fail"),
    ],
)
def test_managers_that_can_lose_one(managers: list[str], status: str) -> None:
    nodes = [node(f"m{number}", manager=word) for number, word in enumerate(managers, 1)]
    assert judge_nodes(nodes, [])[1]["status"] == status


@pytest.mark.parametrize(
    ("second", "away", "status"), [("ab" * 32, [], "pass"), ("cd" * 32, [], "fail"), ("ab" * 32, ["w2"], "warn")]
)
def test_edges_with_one_certificate(second: str, away: list[str], status: str) -> None:
    ends = "2026-12-01T00:00:00Z"
    nodes = {"m1": {"fingerprint": "ab" * 32, "ends": ends}, "w1": {"fingerprint": second, "ends": ends}}
    result = judge_edges({"equal": second == "ab" * 32, "nodes": nodes, "left_out": away})
    assert result["status"] == status
    assert result["evidence"][0] == f"m1: {'ab' * 8}, until {ends}"
