"""Scenarios in lanes: who runs where, what is said, and what a lane has of its own. Stand-ins take molecule's place."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = PROJECT / "tools"
pytestmark = pytest.mark.skipif(not TOOLS.is_dir(), reason="the collection's copy is without tools/")

MOLECULE = """#!/bin/bash
mkdir "running-$SLUICE_LANE" || exit 9
sleep 0.1
echo "$3 $SLUICE_LANE $MOLECULE_EPHEMERAL_DIRECTORY" >>ran
echo "${PYTEST_ADDOPTS:-}" >>chosen
rmdir "running-$SLUICE_LANE"
[ "$3" != verify ] || { echo 'fatal: [debian13]: FAILED! => it broke'; exit 1; }
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout with one scenario more than tools/molecule has in its order, and with stand-ins."""
    scenarios = [path.parent.name for path in PROJECT.glob("molecule/*/molecule.yml")]
    for name in [*scenarios, "unheard_of"]:
        (tmp_path / "molecule" / name).mkdir(parents=True)
        (tmp_path / "molecule" / name / "molecule.yml").touch()
    for path, content in {
        ".venv/bin/molecule": MOLECULE,
        "tools/server": "#!/bin/sh\n",
        "tools/molecule": (TOOLS / "molecule").read_text(),
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
        (tmp_path / path).chmod(0o755)
    return tmp_path


def run(checkout, *words, lanes="2", **more):
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("SLUICE_LANE", "LONG", "PYTEST_ADDOPTS")
    }
    environment = inherited | {"LANES": lanes} | more
    return subprocess.run(
        [checkout / "tools/molecule", *words], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_each_scenario_runs_once_and_lanes_share_no_state(checkout):
    done = run(checkout)
    ran = [line.split() for line in (checkout / "ran").read_text().splitlines()]
    assert sorted(name for name, _, _ in ran) == sorted(path.name for path in (checkout / "molecule").iterdir())
    assert {(lane, state) for _, lane, state in ran} == {
        (lane, f"{checkout}/.cache/{lane}/molecule") for lane in ("lane1", "lane2")
    }
    assert len(re.findall(r"(?m)^\[molecule\] \S+ +passed, +\d+ s$", done.stdout)) == len(ran) - 1


@pytest.mark.parametrize(
    ("words", "more", "chosen"),
    [((), {}, " -m 'not long'"), ((), {"LONG": "1"}, ""), (("fleet",), {}, "")],
    ids=["lanes", "lanes with all", "a scenario by itself"],
)
def test_lanes_leave_long_trials_out(checkout, words, more, chosen):
    run(checkout, *words, **more)
    assert set((checkout / "chosen").read_text().split("\n")[:-1]) == {chosen}


def test_the_longest_starts_first_and_all_of_the_order_exist(checkout):
    run(checkout, lanes="1")
    ran = [line.split()[0] for line in (checkout / "ran").read_text().splitlines()]
    assert (ran[0], ran[-1]) == ("compose_stack", "unheard_of")


def test_what_failed_is_said_again_at_the_end(checkout):
    done = run(checkout)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "[molecule] failed: verify"
    assert done.stdout.count("it broke") == 2
    assert done.stderr == ""


@pytest.mark.parametrize(("name", "status"), [("fleet", 0), ("verify", 1)])
def test_one_scenario_is_told_as_it_goes(checkout, name, status):
    done = run(checkout, name)
    assert done.returncode == status
    assert f"[molecule] {name} {'failed:' if status else 'passed'}" in done.stdout


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_a_lane_has_names_and_an_ssh_configuration_of_its_own():
    def ask(lane: str, *words: str) -> str:
        environment = {**os.environ, "SLUICE_LANE": lane}
        return subprocess.run(
            [TOOLS / "server", *words], env=environment, capture_output=True, text=True, check=True
        ).stdout

    for words in (("name", "debian13"), ("config",)):
        assert len({ask(lane, *words) for lane in ("", "demo", "lane1")}) == 3
    refused = subprocess.run([TOOLS / "server", "list"], env={**os.environ, "SLUICE_LANE": "../x"}, check=False)
    assert refused.returncode == 2
