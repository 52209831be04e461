"""Three servers, three sources of the engine, and the same behaviour."""

from __future__ import annotations

import json
import time

import pytest

testinfra_hosts = ["ssh://debian13", "ssh://debian12", "ssh://mirrored"]

IMAGE = "local/sluice-base:trixie"


def serve_on(host, port: int, name: str) -> None:
    """A container that publishes a web server on every address, with the host's own Python."""
    host.check_output(
        f"docker run --detach --rm --name {name} --publish {port}:{port} --volume /:/host:ro --stop-timeout 1 {IMAGE} "
        f"chroot /host python3 -m http.server {port} --directory /usr/share/misc"
    )
    host.check_output(
        f"for i in $(seq 50); do curl -sf -o /dev/null http://127.0.0.1:{port}/ && exit 0; sleep 0.1; done; exit 1"
    )


@pytest.fixture
def container(host):
    """Starts containers by name, and removes them whatever happens."""
    names: list[str] = []

    def start(name: str, command: str) -> str:
        names.append(name)
        return host.check_output(command.format(name=name))

    yield start
    for name in names:
        host.run(f"docker rm --force {name}")


def test_a_container_runs(host):
    assert host.check_output(f"docker run --rm {IMAGE} echo it runs") == "it runs"


def test_compose_and_buildx_answer(host):
    assert int(host.check_output("docker compose version --short").lstrip("v").split(".")[0]) >= 2
    host.check_output("docker buildx version")


def test_logs_rotate_at_the_limit(host, container):
    container(
        "chatty",
        f"docker run --name {{name}} {IMAGE} bash -c 'for i in $(seq 8000); do echo $i $(printf %0100d 0); done'",
    )
    path = host.check_output("docker inspect --format '{{.LogPath}}' chatty")
    sizes = [int(size) for size in host.check_output(f"stat --format %s {path}*").split()]
    assert len(sizes) == 3
    assert max(sizes) <= 101_000


def test_a_published_port_is_closed_unless_listed(host, container, neighbour):
    serve_on(host, 5432, "closed")
    serve_on(host, 8080, "open")
    try:
        for address in neighbour.addresses_of(host):
            assert neighbour.status(address, 5432) is None, f"{address}: 5432 answers from another host"
            assert neighbour.status(address, 8080) == 200, f"{address}: 8080 does not answer from another host"
    finally:
        host.run("docker rm --force closed open")


def test_a_port_of_the_host_itself_is_closed_unless_listed(host, neighbour):
    host.check_output("systemd-run --unit stray-listener python3 -m http.server 9999")
    try:
        host.check_output(
            "for i in $(seq 50); do curl -s -o /dev/null http://127.0.0.1:9999 && exit 0; sleep 0.1; done; exit 1"
        )
        assert [neighbour.status(address, 9999) for address in neighbour.addresses_of(host)] == [None, None]
    finally:
        host.run("systemctl stop stray-listener")


def test_containers_reach_the_world_and_each_other(host, container):
    assert "200" in host.check_output(
        f"docker run --rm --volume /:/host:ro --network host {IMAGE} chroot /host "
        "curl -s -o /dev/null -w '%{http_code}' http://repository/linux/debian/gpg"
    )
    host.check_output("docker network create inner")
    try:
        container(
            "inner-web",
            f"docker run --detach --name {{name}} --network inner --volume /:/host:ro --stop-timeout 1 {IMAGE} "
            "chroot /host python3 -m http.server 80 --directory /usr/share/misc",
        )
        time.sleep(1)
        assert "200" in host.check_output(
            f"docker run --rm --network inner --volume /:/host:ro {IMAGE} bash -c "
            "'exec 3<>/dev/tcp/inner-web/80; printf \"GET / HTTP/1.0\\r\\n\\r\\n\" >&3; head -n 1 <&3'"
        )
    finally:
        host.run("docker rm --force inner-web")
        host.run("docker network rm inner")


def test_a_users_engine_settings_are_kept(host):
    config = json.loads(host.file("/etc/docker/daemon.json").content_string)
    assert config["labels"] == ["site=demo"]
    assert config["log-opts"] == {"tag": "app", "max-size": "100k", "max-file": "3"}
    assert "site=demo" in host.check_output("docker info --format '{{json .Labels}}'")


def test_networks_take_the_uplinks_mtu(host):
    device = host.check_output("ip -o route show default").split(" dev ")[1].split()[0]
    mtu = host.check_output(f"cat /sys/class/net/{device}/mtu")
    host.check_output("docker network create mtu-probe")
    try:
        for network in ("bridge", "mtu-probe"):
            seen = host.check_output(f"docker run --rm --network {network} {IMAGE} cat /sys/class/net/eth0/mtu")
            assert seen == mtu, f"{network}: {seen}, uplink {mtu}"
    finally:
        host.check_output("docker network rm mtu-probe")


def test_containers_outlive_a_restart_of_the_engine(host, container, neighbour):
    serve_on(host, 5432, "survivor")
    try:
        started = host.check_output("docker inspect --format '{{.State.StartedAt}}' survivor")
        host.check_output("systemctl restart docker")
        assert host.check_output("docker inspect --format '{{.State.StartedAt}}' survivor") == started
        assert [neighbour.status(address, 5432) for address in neighbour.addresses_of(host)] == [None, None]
    finally:
        host.run("docker rm --force survivor")


def test_pruning_spares_what_compose_owns(host, container):
    host.check_output(f"docker run --name release-db --label com.docker.compose.project=crm {IMAGE} true")
    host.check_output(f"docker run --name leftover {IMAGE} true")
    host.check_output(f"printf 'FROM {IMAGE}\\nLABEL a=1\\n' | docker build --quiet -t kept:1 -")
    untagged = host.check_output(f"printf 'FROM {IMAGE}\\nLABEL a=2\\n' | docker build --quiet -")
    time.sleep(2)
    try:
        host.check_output("systemctl start sluice-prune.service")
        assert host.run("docker inspect release-db").rc == 0
        assert host.run("docker inspect leftover").rc != 0
        assert host.run("docker image inspect kept:1").rc == 0
        assert host.run(f"docker image inspect {untagged}").rc != 0
    finally:
        host.run("docker rm --force release-db leftover")
        host.run("docker rmi kept:1")


def test_everything_is_back_after_a_reboot(host, container, neighbour, server):
    name = neighbour.name_of(host)
    host.check_output(
        f"docker run --detach --restart always --name steady --publish 5432:5432 --volume /:/host:ro {IMAGE} "
        "chroot /host python3 -m http.server 5432 --directory /usr/share/misc"
    )
    server("reboot", name)
    try:
        host.check_output(
            "for i in $(seq 100); do curl -sf -o /dev/null http://127.0.0.1:5432/ && exit 0; sleep 0.2; done; "
            "systemctl status docker; docker ps -a; exit 1"
        )
        assert [neighbour.status(address, 5432) for address in neighbour.addresses_of(host)] == [None, None]
        assert host.check_output("systemctl is-active sluice-firewall.service") == "active"
        assert host.check_output("systemctl is-active sluice-prune.timer") == "active"
    finally:
        host.run("docker rm --force steady")
