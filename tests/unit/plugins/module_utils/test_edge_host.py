# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from ansible_collections.sluice.deploy.plugins.module_utils import application as making
from ansible_collections.sluice.deploy.plugins.module_utils.application import application
from ansible_collections.sluice.deploy.plugins.module_utils.edge.host import Host, uplink_mtu, with_network
from ansible_collections.sluice.deploy.plugins.module_utils.edge.project import compose_file, units
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import EDGE, FakeDocker


def test_compose_file_confines_nginx():
    nginx = yaml.safe_load(compose_file(EDGE))["services"]["nginx"]
    assert nginx["image"] == "nginx:1.30"
    assert nginx["cap_drop"] == ["ALL"]
    assert nginx["read_only"] is True
    assert nginx["ports"] == ["80:8080", "443:8443"]
    assert nginx["entrypoint"][-1] == "daemon off;"
    assert "docker.sock" not in compose_file(EDGE)


def test_addresses_to_publish_on():
    text = compose_file(replace(EDGE, publish=("192.0.2.1", "2001:db8::1"), http_port=8080))
    ports = yaml.safe_load(text)["services"]["nginx"]["ports"]
    assert ports == ["192.0.2.1:8080:8080", "192.0.2.1:443:8443", "[2001:db8::1]:8080:8080", "[2001:db8::1]:443:8443"]


def test_units_start_the_commands():
    texts = units(Path("/x/edge-switch"), Path("/y"))
    assert "ExecStart=/x/edge-switch --root /y watch" in texts["sluice-edge.service"]
    assert "Persistent=true" in texts["sluice-edge-certificates.timer"]


def test_on_an_overlay_dns_asks_nobody_else_and_the_swarm_can_ask():
    nginx = yaml.safe_load(compose_file(replace(EDGE, overlay=True)))["services"]["nginx"]
    assert (nginx["dns_opt"], nginx["sysctls"]) == (["ndots:1"], {"net.ipv4.tcp_retries2": 5})
    assert nginx.keys() - yaml.safe_load(compose_file(EDGE))["services"]["nginx"].keys() == {"dns_opt", "sysctls"}
    texts = units(Path("/x/edge-switch"), Path("/y"), overlay=True)
    assert "PathExistsGlob=/y/inbox/*.request" in texts["sluice-edge-inbox.path"]
    assert "ExecStart=/x/edge-switch --root /y inbox" in texts["sluice-edge-inbox.service"]
    assert "sluice-edge-inbox.path" not in units(Path("/x"), Path("/y"))


@pytest.mark.parametrize(
    ("driver", "lead", "overlay"),
    [("bridge", "", False), ("overlay", "", True), ("", "", False), ("", "10.0.0.1", True)],
)
def test_whether_the_network_is_an_overlay(driver, lead, overlay):
    def docker(argv, timeout=0):
        return subprocess.CompletedProcess(argv, 0 if driver else 1, f"{driver}\n", "")

    assert with_network(replace(EDGE, lead=lead), docker).overlay is overlay


def test_an_overlay_that_compose_does_not_see_is_joined_first(tmp_path):
    calls, joined = [], []

    def docker(argv, timeout=0):
        calls.append(" ".join(argv[1:3]))
        if argv[1:3] == ["run", "-d"]:
            joined.append("--network=sluice-edge" in argv)
        fails = argv[1] == "compose" and not joined
        return subprocess.CompletedProcess(argv, int(fails), "", "network sluice-edge not found" if fails else "")

    Host(replace(EDGE, overlay=True), tmp_path, docker).up()
    assert joined == [True]
    assert calls == ["compose -f", "rm -f", "run -d", "compose -f", "rm -f"]
    joined.clear()
    with pytest.raises(UserError, match="does not come up"):
        Host(EDGE, tmp_path, docker).up()
    assert not joined


def test_the_command_is_the_same_every_time_and_runs(tmp_path):
    assert application("edge.cli") == application("edge.cli")
    file = tmp_path / "edge-switch"
    file.write_bytes(application("edge.cli"))
    done = subprocess.run([sys.executable, "-S", "-E", file, "--help"], capture_output=True, text=True, check=True)
    assert "certificates" in done.stdout
    done = subprocess.run(
        [sys.executable, "-S", "-E", file, "--root", tmp_path, "status", "shop"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("left", "changed", "runs"),
    [(".pyc", None, True), (".py", None, True), ("", b"\0\0\r\n", True), (".pyc", b"\0\0\r\n", False)],
    ids=["compiled alone", "sources alone", "of another Python", "of another Python, without sources"],
)
def test_the_command_is_compiled_and_needs_not_be(tmp_path, left, changed, runs):
    file = tmp_path / "edge-switch"
    with zipfile.ZipFile(io.BytesIO(application("edge.cli"))) as archive, zipfile.ZipFile(file, "w") as kept:
        for name in archive.namelist():
            content = archive.read(name)
            if changed and name.endswith("c"):
                content = changed + content[4:]
            if name.endswith(left):
                kept.writestr(name, content)
    done = subprocess.run([sys.executable, "-IS", file, "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == runs, done.stderr


def test_a_command_of_the_same_sources_is_not_made_again(tmp_path, monkeypatch):
    file = tmp_path / "edge-switch"
    made = application("edge.cli", file)
    file.write_bytes(made)
    with monkeypatch.context() as patch:
        patch.setattr(making, "_add", None)
        assert application("edge.cli", file) == made
    for spoilt in (
        made.replace(b"sys.exit(main())", b"sys.exit(mine())"),
        made[:-100],
        b"",
        application("release.cli"),
        made.replace(making._UNCHECKED[:4], b"\0\0\r\n"),
    ):
        file.write_bytes(spoilt)
        assert application("edge.cli", file) == made
    source = making._source
    monkeypatch.setattr(
        making, "_source", lambda name: ("x = 1", False) if name.endswith(".edge.look") else source(name)
    )
    file.write_bytes(made)
    assert application("edge.cli", file) != made


def test_the_command_holds_what_it_imports():
    with zipfile.ZipFile(io.BytesIO(application("edge.cli"))) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(".py")}
    held = {re.sub(r"(/__init__)?\.py$", "", name) for name in texts}
    missing = set()
    for name, text in texts.items():
        for dots, module in re.findall(r"^\s*from (\.+)([\w.]+) import", text, re.MULTILINE):
            package = name.split("/")[: -len(dots)]
            missing |= {"/".join([*package, *module.split(".")])} - held
    assert "sluice/markup" in held and "sluice/notices/tell" in held
    assert not missing


def test_a_taken_port_is_named(monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        host = Host(replace(EDGE, http_port=port), tmp_path, FakeDocker())
        with pytest.raises(UserError, match=f"port {port} is taken by .* \\(pid {os.getpid()}\\)"):
            host.check_ports()


def test_a_container_on_the_port_is_named(tmp_path):
    def docker(argv, timeout=0):
        return subprocess.CompletedProcess(argv, 0, "other-web\n", "")

    with pytest.raises(UserError, match="port 80 is taken by container other-web"):
        Host(EDGE, tmp_path, docker).check_ports()


def test_credentials_lie_in_a_private_directory(tmp_path):
    assert Host(EDGE, tmp_path, FakeDocker()).prepare()
    assert (tmp_path / "dns").stat().st_mode & 0o777 == 0o700


def test_mtu_of_the_uplink(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net/route").write_text("Iface\tDestination\nlo\t0000007F\neth9\t00000000\n")
    (tmp_path / "class/net/eth9").mkdir(parents=True)
    (tmp_path / "class/net/eth9/mtu").write_text("1400\n")
    assert uplink_mtu(tmp_path, tmp_path) == 1400


def test_ports_that_a_project_gives_up_are_taken_at_the_last_moment(tmp_path):
    asked = []

    def run(argv, timeout=120):
        asked.append(" ".join(argv))
        held = "old-proxy-1\n" if "--filter=publish=80" in argv else ""
        return subprocess.CompletedProcess(argv, 0, held, "")

    host = Host(EDGE, tmp_path, run)
    host.check_ports("old")
    asked.clear()
    host.up("old")
    verbs = [a for a in asked if not a.startswith(("docker ps", "docker inspect"))]
    assert [v.partition(" -f ")[0].split()[1] for v in verbs] == [
        "compose",
        "update",
        "kill",
        "stop",
        "start",
        "compose",
    ]
    assert verbs[0].endswith("create --remove-orphans") and "old-proxy-1" in verbs[2]


def test_a_proxy_serves_on_when_the_edge_does_not_start(tmp_path):
    asked = []

    def run(argv, timeout=120):
        asked.append(argv)
        held = "old-proxy-1\n" if "--filter=publish=80" in argv else "always\n" if "inspect" in argv else ""
        return subprocess.CompletedProcess(argv, int("up" in argv), held, "no")

    with pytest.raises(UserError, match="does not come up"):
        Host(EDGE, tmp_path, run).up("old")
    assert asked[-2:] == [
        ["docker", "update", "--restart", "always", "old-proxy-1"],
        ["docker", "start", "old-proxy-1"],
    ]
