"""The server's API, for what the plays under test do not tell."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import requests

SCENARIO = Path(__file__).resolve().parents[1]
VAULT = SCENARIO.parents[1] / ".cache/molecule-dokploy/vault.yml"


def key_in_the_vault() -> str:
    words = ["ansible-vault", "view", f"--vault-password-file={SCENARIO / 'vault-password'}", VAULT]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return re.search(r"vault_dokploy_api_key: \W?([\w-]+)", told)[1]


@pytest.fixture(scope="session")
def api(server):
    """`api(PROCEDURE, …)` asks, and with `post=True` changes something."""
    url = os.environ.get("DOKPLOY_URL", "").rstrip("/") or f"http://{server('ip', 'debian13')}:3000"
    session = requests.Session()
    session.headers["x-api-key"] = os.environ.get("DOKPLOY_API_KEY") or key_in_the_vault()

    def ask(procedure: str, post: bool = False, **values):
        address = f"{url}/api/{procedure}"
        answer = session.post(address, json=values) if post else session.get(address, params=values)
        assert answer.ok, f"{procedure}: {answer.text[:500]}"
        return answer.json() if answer.content else None

    return ask


@pytest.fixture
def services(api):
    """`services()` answers the ids of all services, by name."""

    def ask() -> dict[str, str]:
        places = [environment for project in api("project.all") for environment in project["environments"]]
        return {row["name"]: row["composeId"] for place in places for row in place["compose"]}

    return ask


@pytest.fixture
def service(api, services):
    """`service(NAME)`, as the server has it."""
    return lambda name: api("compose.one", composeId=services()[name])
