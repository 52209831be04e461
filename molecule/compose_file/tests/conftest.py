"""The second release of every project, under load."""

from __future__ import annotations

import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from projects import COMPOSE, NAMES, Load, get, play


@pytest.fixture(scope="session")
def address(server):
    return server("ip", "debian13")


@pytest.fixture(scope="session")
def second(address):
    """The first one is what converge left."""
    names = (*NAMES, *COMPOSE)
    assert {name: get(address, name)["version"] for name in names} == dict.fromkeys(names, "1")
    with Load(address) as load:
        begin = time.monotonic()
        played = play(app_version="2", db_conf="second")
        load.seconds = time.monotonic() - begin
    assert played.returncode == 0, played.stdout
    load.output = played.stdout
    return load
