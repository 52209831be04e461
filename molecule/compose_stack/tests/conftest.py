"""The play with other settings, and a look at what it left on the server."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
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

    def __init__(self) -> None:
        self.plain: dict[str, str] = {}
        """Release → version, for those that were released without any other change."""

    def start(self, *arguments: str, state: str = "", **settings) -> subprocess.Popen:
        argv = ["ansible-playbook", "-i", PROJECT / "molecule/inventory", "--limit", "debian13"]
        playbook = SCENARIO / "converge.yml"
        if state:
            playbook = PROJECT / f"playbooks/{state}.yml"
            argv += ["-i", SCENARIO / "files/inventory.yml", "--extra-vars", f"@{SCENARIO}/vars/stack.yml"]
        settings["molecule_cache"] = str(PROJECT / ".cache/compose_stack")
        argv += ["--extra-vars", json.dumps(settings), *arguments, playbook]
        environment = {**os.environ, "ANSIBLE_PIPELINING": "true"}
        return subprocess.Popen(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=PROJECT,
            env=environment,
            start_new_session=True,
        )

    def __call__(self, *arguments: str, state: str = "", **settings) -> Played:
        """Settings are extra variables; `state` plays one of the collection's other playbooks instead."""
        begin = time.monotonic()
        process = self.start(*arguments, state=state, **settings)
        output = process.communicate()[0]
        plain = not state and set(settings) - {"molecule_cache"} <= {"demo_version", "stack_drain"}
        released = re.search(r"Release (\w+) serves as (?:blue|green)", output)
        if process.returncode == 0 and plain and released:
            self.plain[released[1]] = settings.get("demo_version", "1")
        return Played(process.returncode, output, time.monotonic() - begin)

    def well(self, *arguments: str, state: str = "", **settings) -> Played:
        played = self(*arguments, state=state, **settings)
        assert played.status == 0, played.output
        return played


@dataclass
class Standing:
    """Which version serves when a test begins, and the other one."""

    here: str
    there: str


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
def whole(served, serving, host):
    """Asserts that one whole release of a version serves, and that nothing is left of another attempt."""

    def check(version: str) -> None:
        assert served() == version
        colour = serving()["current"]["colour"]
        states = host.check_output("docker ps --all --format '{{.State}} {{.Names}}'").splitlines()
        running = {line.split()[1] for line in states if line.startswith("running ")}
        expected = {f"crm-{colour}-{s}" for s in ("server", "worker", "front")} | {"crm-postgres", "crm-redis"}
        assert running == expected
        mounted = host.check_output(
            f"docker inspect --format '{{{{range .Mounts}}}}{{{{println .Source}}}}{{{{end}}}}' {' '.join(sorted(running))}"
        )
        release = serving()["current"]["release"]
        held = [s for s in mounted.split() if s.startswith(f"{STATE}/releases/")]
        assert held and all(s.startswith(f"{STATE}/releases/{release}/") for s in held), held
        stopped = {line.split()[1] for line in states} - running
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
def standing(play, whole, serving) -> Standing:
    """One version serves, whole and without changes; mostly it is the one that the test before left."""
    with contextlib.suppress(AssertionError):
        if version := play.plain.get(serving()["current"]["release"]):
            whole(version)
            return Standing(version, "2" if version == "1" else "1")
    play.well(demo_version="1")
    whole("1")
    play.plain[serving()["current"]["release"]] = "1"
    return Standing("1", "2")


@pytest.fixture
def serving(host):
    """The release that serves and the one before it, as the server's own file has them."""
    return lambda: json.loads(host.check_output(f"cat {STATE}/serving.json"))
