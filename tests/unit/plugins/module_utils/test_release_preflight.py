"""Room for a release."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.release import preflight
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Limits
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import World, description, run_in


@pytest.mark.parametrize(
    ("images", "dumps", "status"), [(999, 5000, "fail"), (5000, 999, "fail"), (1000, 1000, "pass")]
)
def test_the_fullest_disk_decides(images: int, dumps: int, status: str) -> None:
    result = preflight.disk({"images lie": images, "dumps lie": dumps}, 1000)
    assert (result["status"], result["measured"]) == (status, min(images, dumps))
    assert len(result["evidence"]) == 2


@pytest.mark.parametrize(
    ("limit", "available", "status"), [("1g", 1048576, "pass"), ("1g", 1048575, "warn"), ("", 1, "skip")]
)
def test_memory(tmp_path: Path, limit: str, available: int, status: str) -> None:
    described = description("1")
    described["services"]["jobs"]["limits"] = {"memory": limit or None}
    run = run_in(World(), tmp_path, described)
    assert preflight.memory(run, f"MemTotal: 9 kB\nMemAvailable:   {available} kB\n")["status"] == status


@pytest.mark.parametrize(
    ("text", "size"), [("", 0), ("5", 5), ("5b", 5), ("2k", 2048), ("512M", 512 << 20), ("2g", 2 << 30)]
)
def test_memory_units(text: str, size: int) -> None:
    assert Limits(memory=text).memory_bytes == size
