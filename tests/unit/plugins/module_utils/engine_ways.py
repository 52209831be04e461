# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ways in which a scan can go through a log; all of them have to find the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search import hslib, hyperscan

WAYS = ("libhs in two looks", "libhs at once", "python")


@contextlib.contextmanager
def going(way: str) -> Iterator[str]:
    """The name of the engine, which goes this way all the time; without libhs, the test is skipped."""
    engine = way.split()[0]
    if engine == "libhs" and hslib.load() is None:
        pytest.skip("libhs is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hyperscan, "_SMALL", 0 if way.endswith("looks") else 1 << 30)
        yield engine
