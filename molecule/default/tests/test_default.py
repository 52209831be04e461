"""The bare server has become a Docker host."""

from __future__ import annotations

import subprocess

import pytest

testinfra_hosts = ["ssh://debian13"]

IMAGE = "local/sluice-base:trixie"


@pytest.fixture(scope="module")
def image(server):
    """An image on the server's engine, carried there from this machine's."""
    save = subprocess.Popen(["docker", "save", IMAGE], stdout=subprocess.PIPE)
    config = server("config")
    subprocess.run(
        ["ssh", "-F", config, "debian13", "docker", "load"], stdin=save.stdout, check=True, capture_output=True
    )
    assert save.wait() == 0
    return IMAGE


def test_a_container_runs(host, image):
    assert host.check_output(f"docker run --rm {image} echo it runs") == "it runs"


def test_compose_brings_up_a_project(host, image):
    host.check_output(
        "mkdir -p /srv/hello && cd /srv/hello && "
        f"printf 'services:\\n  hello:\\n    image: {image}\\n    command: sleep 60\\n    stop_grace_period: 1s\\n' > compose.yml && "
        "docker compose up --detach --wait --pull never"
    )
    try:
        assert host.check_output("docker compose --project-directory /srv/hello ps --services") == "hello"
    finally:
        host.check_output("docker compose --project-directory /srv/hello down --volumes")


def test_everything_runs_after_a_reboot(host, server):
    server("reboot", "debian13")
    for unit in ("docker.service", "sluice-firewall.service", "sluice-prune.timer"):
        assert host.check_output(f"systemctl is-active {unit}") == "active"
