"""What the tests of every scenario may lean on."""

from __future__ import annotations

import pathlib
import subprocess

import pytest

PROJECT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def server():
    """Run a verb of tools/server, such as C(server("reboot", "debian13")); answers what it printed."""

    def run(*words: str) -> str:
        done = subprocess.run([PROJECT / "tools/server", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"tools/server {' '.join(words)}:\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    return run
