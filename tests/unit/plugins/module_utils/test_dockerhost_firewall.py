from __future__ import annotations

import pathlib
from typing import Any

import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment

from ansible_collections.sluice.deploy.plugins.module_utils.dockerhost import firewall
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError


@pytest.mark.parametrize(
    ("entry", "opening"),
    [
        (80, firewall.Opening(80, 80, "tcp")),
        ("443/udp", firewall.Opening(443, 443, "udp")),
        ("8000-8010/tcp", firewall.Opening(8000, 8010, "tcp")),
        (
            {"port": 5432, "from": ["10.0.0.0/8", "2001:db8::/32"]},
            firewall.Opening(5432, 5432, "tcp", ("10.0.0.0/8", "2001:db8::/32")),
        ),
        ({"port": "53/udp", "from": "192.0.2.7"}, firewall.Opening(53, 53, "udp", ("192.0.2.7/32",))),
    ],
)
def test_forms_of_a_port(entry, opening):
    assert firewall.parse_openings([entry], "allow") == [opening]


@pytest.mark.parametrize(
    "entry",
    [
        "http", 0, 65536, "80-70", "80/sctp", -1, True, None, "80;drop", {"from": []},
        {"port": 80, "form": []}, {"port": 80, "from": ["ten"]}, {"port": 80, "from": ["10.0.0.1/8"]}, [80],
    ],
)  # fmt: skip
def test_other_forms_are_refused_by_name(entry):
    with pytest.raises(UserError, match=r"^allow: "):
        firewall.parse_openings([entry], "allow")


@pytest.mark.parametrize(
    ("entry", "protocol"),
    [
        ({"protocol": "vrrp"}, firewall.Protocol(112)),
        ({"protocol": 47, "from": "192.0.2.7"}, firewall.Protocol(47, ("192.0.2.7/32",))),
    ],
)
def test_a_protocol_without_ports(entry, protocol):
    assert firewall.parse_openings([entry], "allow") == [protocol]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("vrrp", "write {protocol: vrrp}"),
        ({"protocol": "tcp"}, "no IP protocol without ports"),
        ({"protocol": 6}, "no IP protocol without ports"),
        ({"protocol": 999}, "no IP protocol without ports"),
        ({"protocol": "vrrp", "port": 1}, "must have the keys"),
        ({"port": 80, "from": "fe80::%x\n accept"}, "without a zone"),
    ],
)
def test_no_protocol(entry, message):
    with pytest.raises(UserError, match=message):
        firewall.parse_openings([entry], "allow")


def test_a_protocol_is_let_in_to_the_host_alone():
    script = firewall.render(firewall.parse_openings([{"protocol": "vrrp", "from": "10.0.0.0/8"}], "a"), [22], [])
    assert script.count("112") == 1
    assert "    ip saddr 10.0.0.0/8 meta l4proto 112 accept" in script.partition("chain to_containers")[0]


def test_uplinks_named_like_dockers_bridges():
    devices = ["lo", "eth0", "br-ex", "br-0123456789ab", "docker0", "veth1"]
    assert firewall.outside(devices, {"eth0"}) == ["br-ex"]
    assert firewall.outside(devices, {"br-0123456789ab", "veth1"}) == ["br-0123456789ab", "br-ex", "veth1"]


def test_an_uplink_is_not_open_for_its_name():
    script = firewall.render([], [22], [], ["br-ex"])
    assert '    iifname != { "br-ex" } iifname "br-*" accept' in script
    assert '    oifname != { "br-ex" } oifname "br-*" counter drop' in script
    assert '    iifname "br-*" accept' not in script


def test_ssh_is_let_in_whatever_is_listed():
    assert "tcp dport { 22, 2222 } accept" in firewall.render([], [2222, 22], [])


def test_without_a_way_in_nothing_is_rendered():
    with pytest.raises(UserError, match="lock you out"):
        firewall.render([], [], [])


def test_sources_bind_their_family():
    script = firewall.render(
        firewall.parse_openings([{"port": 5432, "from": ["10.0.0.0/8", "fd00::/8"]}], "allow"), [22], []
    )
    assert "ip saddr 10.0.0.0/8 tcp dport 5432 accept" in script
    assert "ip6 saddr fd00::/8 meta l4proto tcp ct original proto-dst 5432 accept" in script
    assert "    tcp dport 5432 accept" not in script


def test_the_fingerprint_follows_the_rules():
    one, other = (firewall.render(firewall.parse_openings([p], "a"), [22], []) for p in (80, 81))
    assert firewall.fingerprint_of(one)
    assert firewall.fingerprint_of(one) != firewall.fingerprint_of(other)
    assert firewall.fingerprint_of("table inet other {}") == ""


@pytest.mark.parametrize("name", ["", "a" * 16, 'eth0" accept', "eth 0"])
def test_devices_that_cannot_be(name):
    with pytest.raises(UserError, match="not the name of a network device"):
        firewall.check_interfaces([name], "trusted")


def edge_ports(openings, *published):
    return firewall.with_published(firewall.parse_openings(openings, "allow"), list(published), "ports")[
        len(openings) :
    ]


def test_the_edges_ports_are_let_in():
    ports = [
        {"port": 8883, "service": "broker", "tls": True},
        {"port": 5683, "protocol": "udp", "allow": ["10.0.0.0/8"]},
    ]
    assert edge_ports([80, 443], *ports) == [
        firewall.Opening(8883, 8883, "tcp"),
        firewall.Opening(5683, 5683, "udp", ("10.0.0.0/8",)),
    ]


def test_what_a_user_says_of_an_edges_port_counts():
    assert edge_ports([{"port": 8883, "from": ["192.0.2.0/24"]}, "2000-2300"], {"port": 8883}, {"port": 2222}) == []
    assert edge_ports(["8883/udp", {"protocol": "vrrp"}], {"port": 8883}) == [firewall.Opening(8883, 8883, "tcp")]


def test_an_edges_port_that_is_none_is_named():
    with pytest.raises(UserError, match="ports: 'None/tcp' is not a port"):
        edge_ports([], {"prot": 1})


ROLE = pathlib.Path(__file__).resolve().parents[4] / "roles/docker_host/vars/main.yml"
HOSTS: dict[str, dict[str, Any]] = {
    "shop": {"ansible_host": "192.0.2.1", "nginx_certbot_ports": [{"port": 1}]},
    "blog": {"ansible_host": "192.0.2.1", "nginx_certbot_ports": [{"port": 2}]},
    "gone": {"ansible_host": "192.0.2.1", "nginx_certbot_ports": [{"port": 3}], "nginx_certbot_state": "absent"},
    "elsewhere": {"nginx_certbot_ports": [{"port": 4}]},
    "node": {"nginx_certbot_ports": [{"port": 5}]},
    "edge": {"nginx_certbot_ports": [{"port": 6}]},
}


@pytest.mark.parametrize(
    ("name", "ports"), [("shop", [1, 2]), ("blog", [1, 2]), ("elsewhere", [4]), ("node", []), ("edge", [6])]
)
def test_all_stacks_of_a_machine_have_their_ports(name, ports):
    template = yaml.safe_load(ROLE.read_text())["_docker_host_edge_ports"]
    groups = {"all": list(HOSTS), "swarm": ["node", "edge"], "swarm_edges": ["edge"]}
    known = {"hostvars": HOSTS, "groups": groups, "inventory_hostname": name, **HOSTS[name]}
    assert [entry["port"] for entry in NativeEnvironment().from_string(template).render(known)] == ports
