"""A new version, a broken one and the way back, each with visitors about, as the demo shows them."""

from __future__ import annotations

import re

from conftest import run

LOAD = re.compile(r"\[load\] (\d+) requests, (\d+) failed.*by version (\{.*?\})")


def test_a_new_version_takes_over_without_a_lost_request(deployed):
    ran = run("tools/demo", "release")
    assert ran.status == 0, ran.output[-8000:]
    new, old = re.search(r"version (\S+) takes over from version (\S+),", ran.output).groups()
    requests, failed, versions = LOAD.search(ran.output).groups()
    assert (int(requests) > 100, failed) == (True, "0"), ran.output[-8000:]
    assert {new, old} <= set(re.findall(r"'(\w+)'", versions)), versions
    assert f"version {new} serves, and no request failed" in ran.output


def test_a_broken_version_is_refused_and_there_is_a_way_back(deployed):
    ran = run("tools/demo", "break")
    assert ran.status == 0, ran.output[-8000:]
    assert [failed for _, failed, _ in LOAD.findall(ran.output)] == ["0", "0"], ran.output[-8000:]
    (now,) = re.findall(r"it was refused, version (\S+) serves on, and no request failed", ran.output)
    (back,) = re.findall(rf"version (\S+) serves again after version {now}, and no request failed", ran.output)
    assert int(back) < int(now)
