from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.containers import (
    MAX_RESTARTING,
    MAX_UNHEALTHY,
    Container,
    HealthWatch,
)


def row(status, state="running", name="app-x1-web-1", identity="1"):
    return {"containerId": identity, "name": name, "state": state, "status": status}


def looks(*rows, **options):
    """The verdict of the last of several looks at one container."""
    watch = HealthWatch(**options)
    return [watch.look([r], "app-x1") for r in rows][-1]


@pytest.mark.parametrize(
    ("status", "seconds"),
    [
        ("Up Less than a second", 0),
        ("Up 1 second", 1),
        ("Up 59 seconds (healthy)", 59),
        ("Up About a minute", 60),
        ("Up About an hour", 3600),
        ("Up 3 weeks", 1814400),
        ("Exited (1) 2 minutes ago", None),
        ("", None),
    ],
)
def test_uptime(status, seconds):
    assert Container.from_row(row(status)).uptime == seconds


@pytest.mark.parametrize(
    "good", [row("Up 2 seconds (healthy)"), row("Up 3 hours"), row("Exited (0) 1 second ago", "exited")]
)
def test_good_at_the_first_look(good):
    assert looks(good).good


@pytest.mark.parametrize(
    "late",
    [
        row("Up 2 seconds (health: starting)"),
        row("Up 9 seconds"),
        row("Created", "created"),
        row("Up 1 minute (unhealthy)"),
        row("Restarting (1) 1 second ago", "restarting"),
    ],
)
def test_waited_for(late):
    verdict = looks(late)
    assert verdict.waiting and not verdict.broken


@pytest.mark.parametrize(
    "bad", [row("Exited (137) 5 seconds ago", "exited"), row("Dead", "dead"), row("Up 1 minute (Paused)", "paused")]
)
def test_broken_at_the_first_look(bad):
    assert looks(bad).broken


def test_a_crash_loop_is_told_by_its_restarts():
    cycle = [row("Up 1 second"), row("Restarting (1) 1 second ago", "restarting")]
    assert not looks(*cycle * 2).broken
    assert looks(*cycle * 3).broken


def test_a_crash_loop_is_told_by_an_uptime_that_falls():
    assert looks(*[row("Up 4 seconds"), row("Up 1 second")] * 3).broken


def test_a_crash_loop_is_told_by_long_waiting():
    waiting = row("Restarting (1) 20 seconds ago", "restarting")
    assert not looks(*[waiting] * (MAX_RESTARTING - 1)).broken
    assert looks(*[waiting] * MAX_RESTARTING).broken


def test_a_replaced_container_is_no_restart():
    fresh = [row("Up 9 seconds", identity=str(i)) if i % 2 else row("Up 2 seconds", identity=str(i)) for i in range(9)]
    assert not looks(*fresh).broken


def test_unhealthy_for_long_is_broken():
    assert looks(*[row("Up 1 minute (unhealthy)")] * MAX_UNHEALTHY).broken


def test_nothing_runs_or_a_service_is_missing():
    assert HealthWatch().look([], "app-x1").waiting == ["no container runs"]
    watch = HealthWatch(["web", "worker"])
    assert watch.look([row("Up 1 hour")], "app-x1").waiting == ["service worker has no container"]


def test_a_server_that_tells_no_status():
    old = {"containerId": "1", "name": "app-x1-web-1", "state": "running"}
    assert looks(old).waiting
    assert looks(old, old).good
