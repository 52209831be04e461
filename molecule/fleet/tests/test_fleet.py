"""Hosts that take turns with the main job, and stacks that share one; each test begins with version 1 everywhere."""

from __future__ import annotations

import json
import pathlib
import subprocess

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[3]
SCENARIO = PROJECT / "molecule/fleet"
testinfra_hosts = ["ssh://debian13"]
# Bare, and after the others in line.
THIRD = {"crm-third": {}}
STACKS = {"crm": "debian13", "wiki": "debian13", "crm-second": "mirrored"}


@pytest.fixture
def site(tmp_path, play_over):
    """Run site.yml without its acceptance checks, on the hosts and further ones; answers the finished process."""

    def run(*words: str, hosts: dict | None = None) -> subprocess.CompletedProcess:
        further = tmp_path / "further.yml"
        further.write_text(json.dumps({"compose": {"hosts": hosts or {}}}))
        return play_over(SCENARIO / "inventory", further)("site", "--skip-tags", "verify", *words)

    return run


@pytest.fixture
def served(server, host):
    """The version that each stack serves."""

    def ask() -> dict[str, str]:
        versions = {}
        for name, machine in STACKS.items():
            site, address = f"{name.partition('-')[0]}.example.com", server("ip", machine)
            command = ["curl", "-sk", "--resolve", f"{site}:443:{address}", f"https://{site}/"]
            answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            versions[name] = answer.removeprefix('{"version":"').removesuffix('"}')
        return versions

    return ask


@pytest.fixture
def untouched(server):
    """Asserts that the third machine is as bare as it was at first."""

    def check() -> None:
        script = (PROJECT / "molecule/docker_host/inventory-of-server").read_text()
        command = [PROJECT / "tools/server", "ssh", "debian12", "sh -s after"]
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    return check


def recap(done: subprocess.CompletedProcess, name: str) -> str:
    return next(line for line in done.stdout.splitlines() if line.startswith(f"{name} "))


def test_two_stacks_share_a_machine(host, served):
    assert served() == dict.fromkeys(STACKS, "1")
    names = set(host.check_output("docker ps --format '{{.Names}}'").split())
    assert names == {"crm-blue-web", "wiki-blue-web", "sluice-edge-nginx"}


def test_a_rehearsal_tells_the_plan_and_leaves_a_bare_server_bare(site, untouched):
    done = site("--check", "--diff", "--limit", "crm-third", hosts=THIRD)
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        "The engine's packages would be installed",
        "Pull local/sluice-fleet:1.",
        "Start the first release",
        "+services:",
    ):
        assert said in done.stdout
    untouched()


@pytest.mark.long
def test_a_rehearsal_on_a_host_that_serves_tells_the_plan_and_changes_nothing(host, site, served):
    look = "docker ps --all --no-trunc --format '{{.ID}} {{.Status}}' | cut -d' ' -f1-2; find /etc /var/lib/sluice -type f | sort | xargs stat -c '%n %s %Y'"
    before = host.check_output(look)
    done = site("--check", "--diff", "--limit", "crm", "--extra-vars", "app_version=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "beside" in done.stdout and "keep the old one as the way back" in done.stdout
    assert host.check_output(look) == before
    assert served() == dict.fromkeys(STACKS, "1")


def test_a_host_that_fails_stops_the_rest_and_those_before_it_go_back(host, site, served, untouched):
    done = site("--extra-vars", "app_version=2 app_broken_on=crm-second", hosts=THIRD)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "The release failed at step start: service web is unhealthy" in done.stdout
    assert "crm-second: the part release failed" in done.stdout
    assert "failed=1" in recap(done, "crm-second")
    assert "changed=0" in recap(done, "crm-third")
    assert served() == dict.fromkeys(STACKS, "1")
    # The two before it were released, and went back.
    for stack in ("crm", "wiki"):
        lines = host.check_output(f"tail -n 2 /var/lib/sluice/stacks/{stack}/releases.jsonl").splitlines()
        records = [json.loads(line) for line in lines]
        assert [record["operation"] for record in records] == ["release", "rollback"]
        assert {record["outcome"] for record in records} == {"succeeded"}
    untouched()


def test_an_unreachable_host_is_found_before_any_is_changed(site, served):
    done = site(
        "--extra-vars",
        "app_version=2",
        hosts={"crm-fourth": {"ansible_host": "nowhere.invalid", "docker_host_registries": {}}},
    )
    assert done.returncode != 0
    assert "unreachable=1" in recap(done, "crm-fourth")
    assert served() == dict.fromkeys(STACKS, "1")


def test_hosts_stay_released_where_that_is_wanted(site, served):
    done = site("--tags", "compose_stack", "--extra-vars", "app_version=2 app_broken_on=wiki site_go_back=never")
    assert done.returncode == 2, done.stdout + done.stderr
    assert served() == {"crm": "2", "wiki": "1", "crm-second": "1"}


def test_one_batch_with_limit(site, served):
    done = site("--limit", "crm:wiki", "--extra-vars", "site_serial=100%", "--tags", "compose_stack")
    assert done.returncode == 0, done.stdout + done.stderr
    assert served() == dict.fromkeys(STACKS, "1")
