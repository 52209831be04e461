"""The demo as a user runs it, and what it left."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
from dataclasses import dataclass

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[3]
# The servers of the scenario's own lane, or of none: never those of `make demo`.
SECRETS = PROJECT / ".cache" / os.environ.setdefault("SLUICE_LANE", "")
REPORT = PROJECT / "reports/crm-demo"


@dataclass
class Ran:
    status: int
    output: str


class Secrets(dict):
    """Values that a failing test does not show."""

    def __repr__(self) -> str:
        return f"<{', '.join(self)}>"


def run(*argv, **environment) -> Ran:
    done = subprocess.run(
        [str(word) for word in argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        cwd=PROJECT,
        env={**os.environ, **environment},
    )
    return Ran(done.returncode, done.stdout)


@pytest.fixture(scope="session")
def secrets() -> Secrets:
    """The values that the demo's inventory made."""
    return Secrets({name: (SECRETS / name).read_text().strip() for name in ("database", "app", "admin")})


@pytest.fixture(scope="session")
def browser() -> str:
    """Where Chromium is, with which the checks meet the page; empty where it cannot be had."""
    done = subprocess.run([PROJECT / "tools/chromium"], capture_output=True, text=True, check=False)
    print(done.stderr)
    return "" if done.returncode else done.stdout.strip()


@pytest.fixture(scope="session")
def first_run(browser) -> Ran:
    """The main job from a bare server, telling all that Ansible ever tells."""
    return run("tools/demo", ANSIBLE_VERBOSITY="3", ANSIBLE_DIFF_ALWAYS="1")


@pytest.fixture(scope="session")
def deployed(first_run) -> None:
    assert first_run.status == 0, first_run.output[-8000:]


@pytest.fixture
def verify(deployed, server):
    """The checks alone; answers how it ended, and the results by id."""

    def look(*words) -> tuple[Ran, dict[str, dict]]:
        playbook = ["ansible-playbook", "playbooks/site.yml", "-i", "inventories/demo", "--tags", "verify"]
        ran = run(*playbook, *words, DEMO_ADDRESS=server("ip", "demo"))
        results = json.loads(REPORT.with_suffix(".json").read_text())["results"]
        return ran, {result["id"]: result for result in results}

    return look
