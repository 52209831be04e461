from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.dockerhost import facts

DPKG = """Package: docker.io
Status: install ok installed
Version: 26.1.5+dfsg1-9
Description: container runtime
 Status: not this one

Package: docker-ce
Status: deinstall ok config-files
Version: 5:28.0.1

Package: docker-cli
Status: hold ok installed
Version: 26.1

Package: zlib1g
Status: install ok installed
Version: 1:1.3
"""

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
ens3\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
"""


def test_os_release():
    text = '# comment\nID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04.1 LTS"\n\n'
    assert facts.parse_os_release(text) == {
        "ID": "ubuntu",
        "VERSION_ID": "24.04",
        "PRETTY_NAME": "Ubuntu 24.04.1 LTS",
    }


def test_only_installed_packages_count():
    wanted = {"docker.io", "docker-ce", "docker-cli"}
    assert facts.parse_dpkg_status(DPKG, wanted) == (
        {"docker.io": "26.1.5+dfsg1-9", "docker-cli": "26.1"},
        ["docker-cli"],
    )


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "device"),
    [
        (ROUTES, "", "ens3"),
        ("Iface\n", f"{'0' * 32} 00 {'0' * 32} 00 {'f' * 32} 00000400 1 0 00000003 eth6", "eth6"),
        ("Iface\n", f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 1 0 00200200 lo", ""),
        ("", "", ""),
    ],
)
def test_device_of_the_default_route(ipv4, ipv6, device):
    assert facts.parse_default_device(ipv4, ipv6) == device


@pytest.mark.parametrize(
    ("listeners", "session", "ports"),
    [
        ({22: "sshd", 80: "nginx"}, "", [22]),
        ({2222: "sshd"}, "192.0.2.1 5555 192.0.2.2 2222", [2222]),
        ({22: "systemd"}, "", [22]),
        ({80: "nginx"}, "192.0.2.1 5555 192.0.2.2 2200", [2200]),
        ({80: "nginx"}, "", []),
    ],
)
def test_ways_in(monkeypatch, listeners, session, ports):
    monkeypatch.setenv("SSH_CONNECTION", session)
    assert facts.find_ssh_ports(listeners) == ports


def test_this_machine_can_be_read():
    host = facts.read_host(["dpkg"], [], [])
    assert host["memory"] > 0
    assert host["disk_free"] > 0
    assert host["architecture"]


def test_files_are_read_as_the_role_leaves_them(tmp_path):
    for name, mode in (("own", 0o644), ("closed", 0o600)):
        (tmp_path / name).write_text("text")
        (tmp_path / name).chmod(mode)
    read = facts.read_files([str(tmp_path / name) for name in ("own", "closed", "missing")])
    assert list(read.values()) == ["text", None, ""]
