"""The play with other settings, and a look at what it left on the server."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[3]
SCENARIO = PROJECT / "molecule/compose_stack"
sys.path.insert(0, str(PROJECT / "demo"))
STATE = "/var/lib/sluice/stacks/crm"


@dataclass
class Played:
    status: int
    output: str
    seconds: float


class Play:
    """The scenario's play, as a user runs it, with settings of a test."""

    def start(self, *arguments: str, **settings) -> subprocess.Popen:
        argv = ["ansible-playbook", "-i", PROJECT / "molecule/inventory", "--limit", "debian13"]
        argv += ["--extra-vars", json.dumps(settings), *arguments, SCENARIO / "converge.yml"]
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_PIPELINING": "true"}
        return subprocess.Popen(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=PROJECT,
            env=environment,
            start_new_session=True,
        )

    def __call__(self, *arguments: str, **settings) -> Played:
        begin = time.monotonic()
        process = self.start(*arguments, **settings)
        output = process.communicate()[0]
        return Played(process.returncode, output, time.monotonic() - begin)

    def well(self, *arguments: str, **settings) -> Played:
        played = self(*arguments, **settings)
        assert played.status == 0, played.output
        return played


@pytest.fixture(scope="session")
def play():
    return Play()


@pytest.fixture(scope="session")
def address(server):
    return server("ip", "debian13")


@pytest.fixture(scope="session")
def served(address):
    """The version that answers through the edge; None when it is the maintenance page."""

    def ask() -> str | None:
        try:
            with urllib.request.urlopen(f"http://{address}/api/health", timeout=10) as answer:
                assert json.load(answer)["status"] == "ok"
                return answer.headers["x-app-version"]
        except urllib.error.HTTPError as error:
            assert error.code == 503, error
            return None

    return ask


@pytest.fixture
def whole(host, served):
    """Asserts that one whole release of a version serves, and that nothing is left of another attempt."""

    def check(version: str) -> None:
        assert served() == version
        serving = json.loads(host.check_output(f"cat {STATE}/serving.json"))
        colour = serving["current"]["colour"]
        running = set(host.check_output("docker ps --format '{{.Names}}'").split())
        expected = {f"crm-{colour}-{s}" for s in ("server", "worker", "front")} | {"crm-postgres", "crm-redis"}
        assert running == expected
        stopped = set(host.check_output("docker ps --all --format '{{.Names}}'").split()) - running
        other = "green" if colour == "blue" else "blue"
        # The way back, under its own colour's names or under the fixed ones.
        services = ("server", "worker", "front")
        assert stopped in (set(), {f"crm-{other}-{s}" for s in services}, {f"crm-{s}" for s in services}), stopped
        assert not host.file(f"{STATE}/journal.json").exists
        assert host.file(f"{STATE}/lock").size == 0
        networks = set(host.check_output("docker network ls --format '{{.Name}}'").split())
        assert networks == {"bridge", "host", "none", "crm", "sluice-edge"}

    return check


@pytest.fixture
def release_one(play, whole):
    """Version 1 serves when the test begins."""
    play.well()
    whole("1")
