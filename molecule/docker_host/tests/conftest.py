"""A neighbour to look at a server from, and the play with other settings."""

from __future__ import annotations

import json
import pathlib
import subprocess

import pytest
import testinfra

PROJECT = pathlib.Path(__file__).resolve().parents[3]
IMAGE = "local/sluice-base:trixie"


class Neighbour:
    """Another host on the servers' network."""

    def name_of(self, host) -> str:
        return host.backend.hostname

    def addresses_of(self, host) -> list[str]:
        """The server's IPv4 and IPv6 address."""
        shown = json.loads(host.check_output("ip -json address show eth0"))[0]["addr_info"]
        found = {entry["family"]: entry["local"] for entry in shown if entry["scope"] == "global"}
        return [found["inet"], found["inet6"]]

    def status(self, address: str, port: int) -> int | None:
        """The HTTP status seen from the apt repository's container; None when nothing answers."""
        target = f"[{address}]" if ":" in address else address
        probe = (
            "import sys, urllib.request\n"
            "try: print(urllib.request.urlopen(sys.argv[1], timeout=2).status)\n"
            "except OSError as error: print('closed', error)"
        )
        seen = subprocess.run(
            ["docker", "exec", self._container(), "python3", "-c", probe, f"http://{target}:{port}/"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        return int(seen) if seen.isdigit() else None

    def _container(self) -> str:
        listed = subprocess.run(
            [PROJECT / "tools/server", "name", "repository"], capture_output=True, text=True, check=True
        )
        return listed.stdout.strip()


@pytest.fixture(scope="session")
def neighbour():
    return Neighbour()


@pytest.fixture(scope="session", autouse=True)
def image(server):
    """Every server has an image to run."""
    ssh_config = server("config")
    for name in ("debian13", "debian12", "mirrored"):
        host = testinfra.get_host(f"ssh://{name}", ssh_config=ssh_config)
        if host.run(f"docker image inspect {IMAGE}").rc != 0:
            subprocess.run(
                f"docker save {IMAGE} | ssh -F {ssh_config} {name} docker load",
                shell=True,
                check=True,
                capture_output=True,
            )


@pytest.fixture(scope="session")
def play():
    """Run the scenario's play again on one server with other settings; answers exit status and output."""

    def run(server: str, **settings) -> tuple[int, str]:
        done = subprocess.run(
            [
                "ansible-playbook",
                "-i",
                PROJECT / "molecule/inventory",
                "--limit",
                server,
                "--extra-vars",
                json.dumps(settings),
                PROJECT / "molecule/docker_host/converge.yml",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=PROJECT,
        )
        return done.returncode, done.stdout + done.stderr

    return run
