"""The tables of status and audit: every host has a line, whatever it answered."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.plugin_utils.overview import overview, records

NOW = datetime(2026, 3, 10, 12, 0, 0, tzinfo=timezone.utc)
SERVICE = {
    "service": "web",
    "state": "running",
    "health": "healthy",
    "restarts": 2,
    "cpu_percent": 12.5,
    "memory_bytes": 150_000_000,
    "since": "2026-03-10T11:59:20Z",
    "image": "shop:4",
}
STACK = {
    "name": "shop",
    "release": "3f9c2a7be01d",
    "colour": "green",
    "since": "2026-03-10T09:00:00Z",
    "by": "ops",
    "commit": "0123456789abcdef",
    "way_back": "8d01be5f2c77",
    "edge_serving": "green",
    "edge_ends": "2026-05-01T12:00:00Z",
    "interrupted": "",
    "backup": "2026-03-08T11:00:00Z",
    "services": [SERVICE, {"service": "worker", "state": "missing", "health": "", "restarts": 0}],
    "records": [
        {"at": "2026-03-10T08:00:00Z", "operation": "release", "release": "8d01be5f2c77", "outcome": "succeeded"},
        {
            "at": "2026-03-10T09:00:00Z",
            "operation": "restart",
            "service": "web",
            "release": "3f9c2a7be01d",
            "outcome": "failed",
            "failed_step": "gates",
            "cause": "a gate failed\nmore",
            "gates": [{"id": "log_secrets", "status": "fail"}],
        },
    ],
}
TOLD = {"stacks": [STACK], "disk": {"free": 20_000_000_000, "size": 80_000_000_000}}


def row(lines: list[str], *words: str) -> str:
    (found,) = [line for line in lines if all(word in line for word in words)]
    return found


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ('{"at": "2026-03-10T11:59:30Z", "status": "warn"}', "30s, warn"),
        ("{", "-"),
        ("[]", "-"),
        (None, "-"),
    ],
)
def test_the_last_verification_is_told_by_its_report(tmp_path: Path, report: str | None, told: str) -> None:
    if report is not None:
        (tmp_path / "shop-one.json").write_text(report)
    lines = overview({"one": TOLD}, NOW, str(tmp_path))
    start = lines[0].index("verified")
    assert row(lines, "3f9c2a7be01d")[start : lines[0].index("way back")].strip() == told


def test_a_stack_and_its_services_have_a_line_each() -> None:
    lines = overview({"one": TOLD}, NOW)
    told = row(lines, "3f9c2a7be01d").split()
    assert told == [
        "one",
        "shop",
        "3f9c2a7be01d",
        "green",
        "3h",
        "ops",
        "0123456789ab",
        "52",
        "days",
        "2d",
        "-",
        "8d01be5f2c77",
    ]
    assert "20.0 GB of 80.0 GB free" in row(lines, "disk")
    assert "running, healthy" in row(lines, "web", "shop:4")
    assert all(word in row(lines, "web", "shop:4") for word in ("12.5 %", "150.0 MB", "40s"))
    assert "missing" in row(lines, "worker")


def test_a_task_of_a_swarm_says_on_which_node_it_runs() -> None:
    services = [{**SERVICE, "node": f"m{n}"} for n in (1, 2)]
    lines = overview({"one": {**TOLD, "stacks": [{**STACK, "services": services}]}}, NOW)
    assert "running, healthy" in row(lines, "web on m1")
    assert "running, healthy" in row(lines, "web on m2")


def test_what_is_wrong_is_said_in_the_stack_line() -> None:
    broken = {**STACK, "edge_serving": "", "interrupted": "release"}
    lines = overview({"one": {**TOLD, "stacks": [broken]}}, NOW)
    assert "release interrupted, edge: maintenance page" in row(lines, "3f9c2a7be01d")


def test_every_host_has_a_line() -> None:
    hosts = {
        "gone": {"unreachable": True, "msg": "ssh: no route"},
        "silent": None,
        "bad": {"failed": True, "msg": "there is no docker command on this host\nmore"},
        "bare": {"stacks": [], "disk": TOLD["disk"]},
    }
    for lines in (overview(hosts, NOW), records(hosts)):
        assert "gone  does not answer" in lines
        assert "silent  does not answer" in lines
        assert "bad  there is no docker command on this host" in lines
    assert "bare  no stack was released here" in overview(hosts, NOW)


def test_records_tell_what_failed_and_by_what() -> None:
    lines = records({"one": TOLD})
    assert row(lines, "8d01be5f2c77").split()[-1] == "succeeded"
    assert row(lines, "restart web").endswith("failed at gates: a gate failed; gates failed: log_secrets")


def test_nothing_that_a_host_says_moves_the_cursor() -> None:
    evil = {**STACK, "by": "\x1b[2Jops"}
    assert "\x1b" not in "\n".join(overview({"one": {**TOLD, "stacks": [evil]}}, NOW))


def test_scheduled_jobs_have_a_line_each() -> None:
    asleep = {"name": "weekly", "schedule": "Mon", "timer": "inactive", "next": ""}
    ran = {"name": "nightly", "schedule": "03:00", "timer": "active", "next": "tomorrow", "at": NOW.timestamp() - 7200}
    failed = {**ran, "name": "hourly", "outcome": "it ended with status 1"}
    told = {**TOLD, "stacks": [{**STACK, "jobs": [{**ran, "outcome": ""}, failed, asleep]}]}
    lines = overview({"one": told}, NOW)
    assert row(lines, "nightly").split() == ["nightly", "03:00", "2h", "well", "tomorrow"]
    assert "it ended with status 1" in row(lines, "hourly")
    assert row(lines, "weekly").split() == ["weekly", "Mon", "-", "-", "timer", "inactive"]
