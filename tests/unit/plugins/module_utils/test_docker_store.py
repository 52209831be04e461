"""Which of its two stores an engine keeps images in."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.docker.store import is_containerd


@pytest.mark.parametrize(
    ("status", "containerd"),
    [
        ([["driver-type", "io.containerd.snapshotter.v1"]], True),
        ([["Backing Filesystem", "extfs"], ["driver-type", "io.containerd.snapshotter.v1", "more"]], True),
        ([["Backing Filesystem", "extfs"]], False),
        ([["driver-type"], []], False),
        (None, False),
    ],
)
def test_the_store(status: Any, containerd: bool) -> None:
    assert is_containerd({"DriverStatus": status}) is containerd
