from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.dockerhost import swarm
from ansible_collections.sluice.deploy.plugins.module_utils.dockerhost.engine import nobody
from ansible_collections.sluice.deploy.plugins.module_utils.dockerhost.nodes import lead_of, nodes_of
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError

M = {"role": "manager", "edge": True}
OVERLAY = {"driver": "overlay", "mtu": 0, "encrypted": False}


def seen(name, role="manager", up=True, label=None):
    return {
        "id": f"id-{name}",
        "name": name if label is None else label,
        "hostname": f"host-{name}",
        "role": role,
        "up": up,
        "reachable": up and role == "manager",
    }


def facts(name, nodes=(), number=1, **changes):
    """Of a bare host, or of one in the swarm of these nodes."""
    engine = nobody()
    if nodes:
        engine |= {"version": "26.1.5", "state": "active", "node": f"id-{name}", "nodes": list(nodes)}
    engine |= changes.pop("engine", {})
    return {"engine": engine, "address": f"10.0.0.{number}", "uplink": {"mtu": 1500}, "clock_ahead": 0.5, **changes}


def planned(nodes, found, **settings):
    return swarm.plan({"nodes": nodes, **settings}, found)


def the_problem(nodes, found, **settings):
    (told,) = planned(nodes, found, **settings)["problems"]
    return told


def test_bare_hosts_become_a_swarm_that_the_first_manager_with_an_edge_makes():
    nodes = {"m1": {"role": "manager"}, "m2": M, "m3": M, "w1": {}}
    plan = planned(nodes, {n: facts(n, number=i) for i, n in enumerate(nodes)})
    assert plan["problems"] == plan["notes"] == plan["leaving"] == []
    assert plan["lead"] == plan["anchor"] == "m2"
    assert plan["join_by"] == "10.0.0.1:2377"
    assert plan["network"] == OVERLAY
    assert plan["ids"] == dict.fromkeys(nodes, "")


def test_orders_go_to_whoever_manages_the_swarm_that_exists():
    plan = planned({"new": M, "m2": M, "m3": M}, {"new": facts("new"), **both("m2", "m3")})
    assert plan["problems"] == []
    assert (plan["lead"], plan["anchor"]) == ("new", "m2")
    assert plan["ids"] == {"new": "", "m2": "id-m2", "m3": "id-m3"}


def both(*names):
    return {name: facts(name, [seen(n) for n in names]) for name in names}


@pytest.mark.parametrize(
    ("nodes", "names"),
    [
        ({"w1": {}}, "swarm_role: no host of the swarm is a manager"),
        ({"m1": {"role": "manager"}, "w1": {"edge": True}}, "swarm_edge_nodes: none of them is a manager (m1)"),
        ({"m1": {**M, "rôle": 1}}, "docker_host_swarm.nodes.m1: rôle: a node has role, edge"),
        ({"m1": {"role": "boss"}}, "docker_host_swarm.nodes.m1.role: 'boss' is none of manager, worker"),
        ({"m1": {**M, "availability": "pause"}}, "nodes.m1.availability: 'pause' is none of active, drain"),
        ({"m1": {**M, "address": "m1.lan"}}, "nodes.m1.address: 'm1.lan' is not an IP address"),
        ({"m1": {**M, "labels": {"sluice.edge": "x"}}}, "nodes.m1.labels: 'sluice.edge'"),
    ],
)
def test_a_mistake_in_the_description_is_named(nodes, names):
    assert names in the_problem(nodes, {n: facts(n) for n in nodes})


def test_a_setting_that_is_none_is_named():
    assert the_problem({"m1": M}, {"m1": facts("m1")}, autolok=True).startswith(
        "docker_host_swarm: autolok: it has nodes"
    )


def test_a_run_over_some_of_the_nodes_is_refused():
    assert "w1: not looked at in this run" in the_problem({"m1": M, "w1": {}}, {"m1": facts("m1")})


def test_an_even_number_of_managers_is_worth_a_word():
    (note,) = planned({"m1": M, "m2": M}, {n: facts(n) for n in ("m1", "m2")})["notes"]
    assert note.startswith("2 managers (m1, m2) bear the loss of 0, no more than 1 would")


def test_a_node_that_the_inventory_lost_is_worth_a_word():
    found = {"m1": facts("m1", [seen("m1"), seen("old", "worker")])}
    assert planned({"m1": M}, found)["notes"] == [
        "old: in the swarm, and not in the inventory; give it swarm_state: absent once"
    ]


@pytest.mark.parametrize(
    ("engine", "names"),
    [
        ({"state": "active", "node": "id-other"}, "m2: it is in another swarm than m1"),
        ({"state": "locked"}, "m2: its swarm is locked"),
        (
            {"state": "pending", "error": "no route to host"},
            "m2: it belongs to a swarm that it does not reach (no route",
        ),
    ],
)
def test_a_node_that_is_elsewhere_is_named(engine, names):
    found = {"m1": facts("m1", [seen("m1")]), "m2": facts("m2", engine=engine)}
    assert names in the_problem({"m1": M, "m2": {}}, found)


def test_a_swarm_without_its_managers_is_named():
    found = {"m1": facts("m1", engine={"state": "active", "node": "id-m1"})}
    assert "m1: it is in a swarm of which no manager is here that answers" in the_problem({"m1": M}, found)


def test_a_swarm_that_something_else_made_is_not_taken_over():
    found = {"m1": facts("m1", [seen("m1", label=""), seen("x", "worker", label="")])}
    assert "m1: something else made its swarm, with nodes that the group swarm does not have (host-x)" in the_problem(
        {"m1": M}, found
    )


def test_what_is_left_of_a_failed_attempt_to_join_is_in_nobodys_way():
    found = {"m1": facts("m1", [seen("m1"), seen("x", "worker", up=False, label="")])}
    assert planned({"m1": M}, found)["problems"] == []


@pytest.mark.parametrize(
    ("leaving", "lost", "refused"),
    [
        ({"m3"}, set(), False),
        ({"m3"}, {"m3"}, False),
        ({"m2"}, {"m3"}, True),
        ({"m2", "m3"}, {"m3"}, False),
    ],
)
def test_managers_leave_while_most_of_the_others_answer(leaving, lost, refused):
    names = ("m1", "m2", "m3")
    nodes = {n: {**M, "state": "absent" if n in leaving else "present"} for n in names}
    there = [seen(n, up=n not in lost) for n in names]
    plan = planned(
        nodes, {n: facts(n, there) for n in names if n not in leaving | lost or n == "m1"} | still(lost, leaving)
    )
    assert bool(plan["problems"]) == refused, plan["problems"]
    if refused:
        assert "1 of 2 managers would answer" in plan["problems"][0]
        assert "bring back m3 first" in plan["problems"][0]
    # Who is lost goes first: the others can agree on it.
    assert [e["name"] for e in plan["leaving"]] == sorted(leaving, key=lambda n: n not in lost)


def still(lost, leaving):
    return {n: facts(n) for n in lost - leaving}


def test_a_manager_that_becomes_a_worker_counts_as_one_that_leaves():
    there = [seen("m1"), seen("m2"), seen("m3", up=False)]
    nodes = {"m1": M, "m2": {}, "m3": M}
    found = {"m1": facts("m1", there), "m2": facts("m2", there), "m3": facts("m3")}
    assert "m2: without them 1 of 2 managers" in the_problem(nodes, found)


def test_clocks_and_engines_that_differ_are_named():
    found = {"m1": facts("m1", clock_ahead=-20.0), "w1": facts("w1", clock_ahead=70.0)}
    assert "the clocks of m1 and w1 are 90 s apart" in the_problem({"m1": M, "w1": {}}, found)
    found = {"m1": facts("m1", engine={"version": "26.1.5"}), "w1": facts("w1", engine={"version": "28.0.1"})}
    assert "(m1 26.1.5, w1 28.0.1)" in the_problem({"m1": M, "w1": {}}, found)


def test_the_network_has_the_lowest_mtu_between_the_nodes():
    found = {"m1": facts("m1"), "w1": facts("w1", uplink={"mtu": 1400})}
    assert planned({"m1": M, "w1": {}}, found)["network"]["mtu"] == 1400
    assert planned({"m1": M, "w1": {}}, found, mtu=1300)["network"]["mtu"] == 1300


@pytest.mark.parametrize(
    ("network", "names"),
    [
        ({"driver": "bridge"}, "m1: there is a network sluice-edge of one host"),
        ({"encrypted": True}, "docker_host_swarm.encrypted: the network sluice-edge has encrypted True"),
        ({"mtu": 1450}, "docker_host_swarm.mtu: the network sluice-edge has mtu 1450"),
    ],
)
def test_a_network_that_cannot_become_what_is_wanted_is_named(network, names):
    engine = {"networks": {"sluice-edge": {**OVERLAY, **network}}}
    assert names in the_problem(
        {"m1": M}, {"m1": facts("m1", [seen("m1")], engine=engine)}, mtu=1400 if "mtu" in network else 0
    )


def test_an_inventory_describes_nodes():
    hosts = {
        "m1": {"swarm_role": "manager", "swarm_edge_nodes": ["m1", "w1"], "swarm_labels": {"disk": "fast"}},
        "w1": {"swarm_edge_nodes": ["m1", "w1"], "swarm_address": "10.0.0.2"},
        "w2": {"swarm_state": "absent"},
    }
    assert nodes_of(hosts, ["m1", "w1", "w2"]) == {
        "m1": {"edge": True, "role": "manager", "labels": {"disk": "fast"}},
        "w1": {"edge": True, "address": "10.0.0.2"},
        "w2": {"edge": False, "state": "absent"},
    }


def test_the_first_manager_is_the_edge_unless_others_are_named():
    hosts = {"w1": {}, "m1": {"swarm_role": "manager"}, "m2": {"swarm_role": "manager"}}
    nodes = nodes_of(hosts, hosts)
    assert [name for name, node in nodes.items() if node["edge"]] == ["m1"]
    assert lead_of(nodes) == "m1"
    # The one that is to leave does not lead.
    hosts["m1"]["swarm_state"] = "absent"
    assert lead_of(nodes_of(hosts, hosts)) == "m2"


def test_another_manager_with_an_edge_may_lead():
    hosts = {name: {"swarm_role": "manager", "swarm_edge_nodes": ["m1", "m3"]} for name in ("m1", "m2", "m3")}
    nodes = nodes_of(hosts, hosts)
    assert lead_of(nodes, "m3") == "m3"
    with pytest.raises(UserError, match="swarm_lead_node: 'm2' is no manager with an edge; those are m1, m3"):
        lead_of(nodes, "m2")


def test_an_edge_that_is_no_node_is_named():
    with pytest.raises(UserError, match="swarm_edge_nodes: w9"):
        nodes_of({"m1": {"swarm_edge_nodes": ["w9"]}}, ["m1"])
