"""Scheduled jobs by systemd's own clock: in the release that serves, once, through a switch, until they are taken out."""

from __future__ import annotations

import itertools
import json
import pathlib
import time

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[3]
testinfra_hosts = ["ssh://debian13"]
TICK = {"service": "web", "command": "echo token is $TOKEN; sleep 0.5", "schedule": "*:*:0/5", "timeout": "30s"}
FAILS = {"service": "web", "command": ["sh", "-c", "echo said; exit 7"], "schedule": "yearly"}


@pytest.fixture
def play(play_over):
    """Run a playbook for the stack crm; answers what it printed."""

    def run(name: str, *words: str, **variables: object) -> str:
        done = play_over(PROJECT / "molecule/fleet/inventory")(name, "--limit", "crm", *words, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def runs(host):
    def ask(job: str) -> list[dict]:
        lines = host.run(f"cat /var/lib/sluice/stacks/crm/jobs/{job}.jsonl").stdout.splitlines()
        return [json.loads(line) for line in lines]

    return ask


def wait_for(condition) -> None:
    for _ in range(150):
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError("it does not come to pass")


def test_jobs_follow_the_release_that_serves(host, play, runs, run_module):
    clock = {"stack_jobs": {"tick": TICK, "fails": FAILS}, "compose_stack_backup_schedule": {"backup": "yearly"}}
    told = play("site", "--tags", "compose_stack", **clock)
    assert "Scheduled jobs: tick (*:*:0/5), fails (yearly)." in told
    assert "changed=0" in play("site", "--tags", "compose_stack", **clock)
    try:
        wait_for(lambda: runs("tick"))
        before = runs("tick")[-1]["colour"]
        play("restart")
        wait_for(lambda: runs("tick")[-1]["colour"] != before)
        ticks = runs("tick")
        assert {run["outcome"] for run in ticks} == {""}
        for run, following in itertools.pairwise(ticks):
            assert run["at"] + run["seconds"] <= following["at"] + 0.1
        assert "token is ***" in ticks[-1]["output"]
        assert "planted" not in host.check_output("journalctl --no-pager --unit 'sluice-job-*'")
        assert host.run("systemctl start sluice-job-crm_fails").rc != 0
        assert runs("fails")[-1]["output"] == "said"
        rows = play("status").splitlines()
        assert any(line.split()[:2] == ["fails", "yearly"] and "ended with status 7" in line for line in rows)
        looked = run_module("sluice.deploy.host_probe", {"stack": "crm"})
        (judged,) = [result for result in looked["results"] if result["id"] == "host.jobs"]
        assert (judged["status"], judged["measured"]) == ("warn", "1 of 2 well")
    finally:
        assert "Scheduled jobs: none any more." in play("site", "--tags", "compose_stack")
    assert host.run("ls /etc/systemd/system | grep -E '^sluice-(job|backup)-crm'").stdout == ""
    assert "-crm" not in host.check_output("systemctl list-timers --all --no-pager")
