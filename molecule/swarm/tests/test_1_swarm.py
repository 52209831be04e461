"""What bare servers have become: one swarm, closed to everybody else."""

from __future__ import annotations

import json
import socket

import pytest

NODES = {"m1": "debian13", "m2": "mirrored", "m3": "third"}
IMAGE = "local/sluice-nginx:forky"


@pytest.fixture(scope="module")
def nodes(server):
    """The nodes as the first manager inspects them, by their names in the inventory."""
    told = json.loads(server("ssh", "debian13", "docker node inspect $(docker node ls -q)"))
    return {each["Spec"]["Labels"]["sluice.name"]: each for each in told}


def test_every_node_is_a_ready_manager(nodes):
    assert set(nodes) == set(NODES)
    for node in nodes.values():
        assert node["Status"]["State"] == "ready"
        assert node["Spec"]["Role"] == "manager"
        assert node["Spec"]["Availability"] == "active"


def test_nodes_bear_their_labels(nodes):
    assert {name for name, node in nodes.items() if node["Spec"]["Labels"]["sluice.edge"] == "true"} == {"m1", "m3"}
    assert nodes["m2"]["Spec"]["Labels"]["disk"] == "fast"


@pytest.mark.parametrize("name", NODES.values())
@pytest.mark.parametrize("port", [2377, 7946])
def test_nobody_else_is_let_in(server, name, port):
    with pytest.raises(OSError), socket.create_connection((server("ip", name), port), timeout=2):
        pass


def test_nodes_reach_each_other(server):
    for name in ("mirrored", "third"):
        for port in (2377, 7946):
            server("ssh", "debian13", f"timeout 5 bash -c 'exec 3<>/dev/tcp/{server('ip', name)}/{port}'")


def test_containers_of_two_nodes_meet_on_the_edge_network(server):
    server("ssh", "third", f"docker run --detach --name sluice-met --network sluice-edge --network-alias met {IMAGE}")
    ask = r'exec 3<>/dev/tcp/met/80; printf "HEAD / HTTP/1.0\r\n\r\n" >&3; head -n 1 <&3'
    try:
        told = server("ssh", "debian13", f"docker run --rm --network sluice-edge {IMAGE} bash -c '{ask}'")
        assert told.startswith("HTTP/1.1")
    finally:
        server("ssh", "third", "docker rm --force sluice-met")
