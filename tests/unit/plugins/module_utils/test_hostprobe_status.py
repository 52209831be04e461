"""Load from two answers of the engine, and what is told of stacks whose files are what a crash left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.hostprobe.status import load_of, stacks_of


def stats(busy: int, whole: int) -> dict[str, Any]:
    return {
        "memory_stats": {"usage": 100_000_000, "stats": {"inactive_file": 40_000_000}},
        "cpu_stats": {"cpu_usage": {"total_usage": busy}, "system_cpu_usage": whole, "online_cpus": 4},
    }


def test_load_is_of_one_processor_and_without_the_cache() -> None:
    assert load_of(stats(1_000, 10_000), stats(2_000, 14_000)) == {"cpu_percent": 100.0, "memory_bytes": 60_000_000}


@pytest.mark.parametrize(
    ("first", "second"), [({}, {}), ({}, stats(1, 2)), (stats(1, 2), {}), (stats(1, 2), stats(1, 2))]
)
def test_what_the_engine_does_not_tell_is_left_out(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert "cpu_percent" not in load_of(first, second)


def test_stacks_are_those_that_have_releases(tmp_path: Path) -> None:
    assert stacks_of(str(tmp_path / "none")) == []
    for name in ("shop", "crm"):
        (tmp_path / name / "releases").mkdir(parents=True)
    (tmp_path / "lost").mkdir()
    assert stacks_of(str(tmp_path)) == ["crm", "shop"]
    assert stacks_of(str(tmp_path), "shop") == ["shop"]
    with pytest.raises(UserError, match="'ship' is not on this host; here are crm, shop"):
        stacks_of(str(tmp_path), "ship")
