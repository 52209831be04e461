from __future__ import annotations

from ansible_collections.sluice.deploy.plugins.module_utils.dockerhost.engine import engine_of

NODE = {
    "ID": "n1",
    "Spec": {"Role": "manager", "Labels": {"sluice.name": "m1"}},
    "Description": {"Hostname": "server-1"},
    "Status": {"State": "ready"},
    "ManagerStatus": {"Reachability": "reachable"},
}
LOST = {"ID": "n2", "Spec": {"Role": "worker", "Labels": None}, "Description": {}, "Status": {"State": "down"}}
NETWORKS = [
    {"Name": "bridge", "Driver": "bridge", "Options": None},
    {
        "Name": "sluice-edge",
        "Driver": "overlay",
        "Options": {"com.docker.network.driver.mtu": "1400", "encrypted": ""},
    },
]


def test_a_manager_tells_its_swarm():
    info = {
        "ServerVersion": "26.1.5",
        "Swarm": {"LocalNodeState": "active", "NodeID": "n1", "NodeAddr": "10.0.0.1", "Error": ""},
    }
    told = engine_of(info, [NODE, LOST], NETWORKS)
    assert (told["version"], told["state"], told["node"], told["address"]) == ("26.1.5", "active", "n1", "10.0.0.1")
    assert told["nodes"] == [
        {"id": "n1", "name": "m1", "hostname": "server-1", "role": "manager", "up": True, "reachable": True},
        {"id": "n2", "name": "", "hostname": "", "role": "worker", "up": False, "reachable": False},
    ]
    assert told["networks"]["sluice-edge"] == {"driver": "overlay", "mtu": 1400, "encrypted": True}
    assert told["networks"]["bridge"] == {"driver": "bridge", "mtu": 0, "encrypted": False}


def test_what_keeps_it_from_its_swarm_is_told_without_the_wrapping():
    error = "rpc error: code = Unknown desc = The swarm does not have a leader."
    told = engine_of({"ServerVersion": "26", "Swarm": {"LocalNodeState": "error", "Error": error}}, [], [])
    assert told["error"] == "The swarm does not have a leader."


def test_an_engine_without_a_swarm():
    told = engine_of({"ServerVersion": "28.0.1", "Swarm": {"LocalNodeState": "inactive"}}, [], [])
    assert (told["state"], told["node"], told["nodes"]) == ("inactive", "", [])
