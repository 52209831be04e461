"""A way back that is kept warm, and the end of a stack."""

from __future__ import annotations

import json
import re
import time

import pytest
from conftest import STATE
from load import Load

testinfra_hosts = ["ssh://debian13"]


def states(host) -> dict[str, str]:
    listed = host.check_output("docker ps --all --format '{{.Names}} {{.State}}'").splitlines()
    return dict(line.split() for line in listed)


def test_a_warm_way_back_serves_at_once(play, host, served, serving, standing, address):
    # A release that knows a password from before, as the tests of passwords leave one, cannot stay warm.
    play.well(demo_version=standing.here)
    settings = {"stack_keep_warm": "10m", "demo_version": standing.there}
    play.well(**settings)
    left = serving()["previous"]["colour"]
    found = states(host)
    assert found[f"crm-{left}-server"] == found[f"crm-{left}-front"] == "running"
    assert found[f"crm-{left}-worker"] == "exited"
    assert host.check_output("systemctl is-active sluice-cool-crm.timer") == "active"
    with Load(address) as stats:
        played = play.well("-v", state="rollback", **settings)
    assert stats.failures == []
    assert served() == standing.here
    told = dict(re.findall(r"^ +(\w+): ([\d.]+)$", played.output.partition("seconds:")[2], re.MULTILINE))
    until = [float(told[step]) for step in ("resume", "choose", "journal", "password", "gates", "switch")]
    print(f"a warm rollback serves after {sum(until):.2f} s; {told}")
    assert float(told.get("start", 0)) == 0, "nothing had to start before the switch"
    assert states(host)[f"crm-{left}-worker"] == "running"


@pytest.mark.long
def test_the_timer_ends_the_warmth(play, host, serving, standing):
    play.well(stack_keep_warm="3s", demo_version=standing.there)
    left = serving()["previous"]["colour"]
    end = time.monotonic() + 60
    while "running" in (state := {n: s for n, s in states(host).items() if n.startswith(f"crm-{left}-")}).values():
        assert time.monotonic() < end, state
        time.sleep(0.5)
    assert not host.file(f"{STATE}/releases/{serving()['previous']['release']}/warm").exists
    play.well(state="rollback", demo_version=standing.here)
    play.well(demo_version=standing.here)


def test_a_stack_leaves_nothing_but_its_data(play, host, standing):
    refused = play(state="remove")
    assert refused.status != 0 and "still sends requests to crm" in refused.output
    host.check_output("echo %s | /usr/local/sbin/edge-switch to crm", json.dumps({"colour": None}))
    rehearsed = play.well("--check", state="remove")
    assert "volume crm_" in rehearsed.output and states(host)
    play.well(state="remove")
    assert states(host) == {}
    networks = set(host.check_output("docker network ls --format '{{.Name}}'").split())
    assert networks == {"bridge", "host", "none", "sluice-edge"}
    assert "sluice/crm-" not in host.check_output("docker images --format '{{.Repository}}'")
    assert host.check_output("docker volume ls --quiet --filter name=^crm_")
    assert host.file(f"{STATE}/backups").exists and not host.file(f"{STATE}/serving.json").exists
    secrets = host.run(f"grep -rl -e '[A-Za-z]' {STATE}/data/secrets {STATE}/data/secrets.yml")
    assert secrets.stdout == ""
    again = play.well(state="remove")
    assert "changed=0" in again.output

    # What stays is what a stack that comes back finds.
    play.well(demo_version="1")
    host.check_output("echo %s | /usr/local/sbin/edge-switch to crm", json.dumps({"colour": None}))
    wrong = play(state="remove", compose_stack_remove_data="shop")
    assert wrong.status != 0 and "is not the name of the stack" in wrong.output
    play.well(state="remove", compose_stack_remove_data="crm")
    assert host.check_output("docker volume ls --quiet --filter name=^crm_") == ""
    assert not host.file(STATE).exists
    play.well(demo_version="1")
