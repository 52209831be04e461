# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engines with which a scan can go through a log; both have to find the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.secretscan.search import hslib

WAYS = ("libhs", "python")


@contextlib.contextmanager
def going(way: str) -> Iterator[str]:
    """The name of the engine; without libhs, the test is skipped."""
    if way == "libhs" and hslib.load() is None:
        pytest.skip("libhs is not installed")
    yield way
