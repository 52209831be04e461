"""Each way to fail ends with the old version answering, nothing left over, and a message that says what to do."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

testinfra_hosts = ["ssh://debian13"]
STATE = "/var/lib/sluice/stacks/crm"

BAD_BUILD = "FROM local/sluice-demo-front:1 AS a\nRUN exit 7\nFROM local/sluice-demo-front:1\nUSER 1000\n"


def build_of(dockerfile: str, host) -> dict:
    host.check_output("mkdir -p /srv/trial && touch /srv/trial/.dockerignore")
    host.check_output("printf %s > /srv/trial/Dockerfile", dockerfile)
    return {"front": {"build": {"context": "/srv/trial"}, "image": None}}


CASES = {
    "image missing": (
        {"demo_version": "nope"},
        ["failed at step images", "local/sluice-demo-server:nope cannot be pulled", "docker login"],
    ),
    "image too large": (
        {"demo_changes": {"front": {"max_size": "1MB", "env": {"X": "2"}}}},
        ["failed at step image_gates", "gate image_size.front failed"],
    ),
    "migration fails": (
        {"demo_version": "2", "demo_break": "migration"},
        ["failed at step pre_release", "the pre-release hook ended with status"],
    ),
    "never healthy": (
        {
            "demo_version": "2",
            "demo_break": "unhealthy",
            "demo_changes": {"server": {"health": {"start_period": "2s"}}},
        },
        ["failed at step start", "service server is unhealthy"],
    ),
    "crash at start": ({"demo_version": "2", "demo_break": "crash"}, ["failed at step start", "service server"]),
    "crash after start": ({"demo_version": "2", "demo_break": "crash-later"}, ["service server crashed"]),
    "dead worker": ({"demo_version": "2", "demo_break": "dead-worker"}, ["failed at step workers", "service worker"]),
    "secret in the log": (
        {"demo_version": "2", "demo_break": "secret-in-log"},
        ["failed at step gates", "gate log_secrets failed", "APP_SECRET stands in server, line"],
    ),
    "disk full": (
        {"demo_version": "2", "compose_stack_minimum_free": "900TB"},
        ["failed at step preflight", "gate disk failed", "docker image prune"],
    ),
}


@pytest.mark.parametrize(("settings", "said"), CASES.values(), ids=list(CASES))
def test_a_release_that_fails(play, whole, release_one, settings, said):
    played = play(**settings)
    assert played.status != 0, played.output
    for text in [*said, "serves as before", "Next: "]:
        assert text in played.output
    assert "Traceback" not in played.output
    whole("1")


def test_a_build_that_fails(host, play, whole, release_one):
    played = play(demo_changes=build_of(BAD_BUILD, host))
    assert played.status != 0
    assert "the image of service front does not build" in played.output
    assert "exit code: 7" in played.output
    whole("1")


def test_a_dockerfile_that_the_gate_refuses(host, play, whole, release_one):
    played = play(demo_changes=build_of("FROM local/sluice-demo-front:1\nARG API_TOKEN=x\nUSER root\n", host))
    assert played.status != 0
    for text in ("gate dockerfile.front failed", "one stage only", "ARG API_TOKEN", "runs as root"):
        assert text in played.output
    whole("1")


def test_an_edge_that_refuses(host, play, whole, release_one):
    host.check_output("touch /etc/nginx/refuse")
    try:
        played = play(demo_version="2")
    finally:
        host.check_output("rm /etc/nginx/refuse")
    assert played.status != 0
    assert "failed at step switch: the edge refused: the edge was told to refuse" in played.output
    whole("1")


def test_two_releases_at_once(play, whole, release_one):
    first = play.start(demo_version="2")
    time.sleep(2.5)
    refused = play(demo_version="1", compose_stack_lock_wait=0)
    second = play.start(demo_version="2")
    assert first.wait() == 0, first.communicate()[0]
    assert refused.status != 0
    assert "holds the lock" in refused.output
    output = second.communicate()[0]
    assert second.returncode == 0, output
    assert "changed=0" in output
    whole("2")
    play.well()


MOMENTS = {
    "during the migration": "docker ps --format '{{.Names}}' | grep -q once",
    "while the new services start": "docker ps --format '{{.Names}}' | grep -q crm-[a-z]*-server && test -e {state}/journal.json"
    " && test $(docker ps --format '{{.Names}}' | grep -c server) = 2",
    "while the workers start": "test $(docker ps --format '{{.Names}}' | grep -c worker) = 1 && test -e {state}/journal.json"
    " && test $(docker ps --format '{{.Names}}' | grep -c server) = 2",
    "while the old release drains": "grep -q drain {state}/journal.json",
}


@pytest.mark.parametrize("version", ["2", "1"], ids=["again", "back"])
@pytest.mark.parametrize("moment", MOMENTS.values(), ids=list(MOMENTS))
def test_everything_killed(host, play, whole, served, release_one, moment, version):
    """kill -9 of the play and of the module on the server; then a second run."""
    run = play.start(demo_version="2")
    condition = moment.replace("{state}", STATE)
    host.check_output(f'timeout 90 sh -c "until {condition}; do sleep 0.05; done" 2>/dev/null'.replace("$(", "\\$("))
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    holder = json.loads(host.check_output(f"cat {STATE}/lock"))
    host.run(f"kill -9 {holder['pid']}")
    assert host.file(f"{STATE}/journal.json").exists
    assert served() in ("1", "2")
    played = play.well(demo_version=version)
    assert "An interrupted release of" in played.output
    whole(version)


def test_the_engine_restarts_in_the_middle(host, play, whole, served, release_one):
    run = play.start(demo_version="2")
    host.check_output(f"timeout 60 sh -c 'until test -e {STATE}/journal.json; do sleep 0.05; done'")
    host.check_output("systemctl restart docker")
    output = run.communicate()[0]
    assert "Traceback" not in output
    if run.returncode:
        assert "Next: " in output
        assert served() == "1"
        play.well(demo_version="2")
    whole("2")
    play.well()
