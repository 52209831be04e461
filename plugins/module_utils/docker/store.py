# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an engine keeps its images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_containerd(info: Mapping[str, Any]) -> bool:
    """Whether it is containerd's store: its sizes are those of compressed layers, and it takes images whole alone.

    Args:
        info: What the engine answers at `/info`.
    """
    pairs = [list(pair[:2]) for pair in info.get("DriverStatus") or []]
    return ["driver-type", "io.containerd.snapshotter.v1"] in pairs
