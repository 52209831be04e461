"""The gate as a task on a server."""

from __future__ import annotations

import pytest


@pytest.fixture
def gate(run_module):
    """Run the module in a play; answers its result, failed or not."""

    def run(server: str = "debian13", user: str = "", **options) -> dict:
        return run_module("sluice.deploy.image_size_gate", options, server=server, user=user)

    return run
