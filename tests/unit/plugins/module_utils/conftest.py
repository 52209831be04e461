# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.engine_ways import WAYS, going


@pytest.fixture(params=WAYS)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a scan's engine, for each way that it can go."""
    with going(request.param) as name:
        yield name
