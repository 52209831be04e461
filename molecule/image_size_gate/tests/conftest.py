"""The gate as a task on a server."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture
def gate(tmp_path):
    """Run the module in a play; answers its result, failed or not."""

    def run(server: str = "debian13", user: str = "", **options) -> dict:
        task = {"name": "The gate runs", "sluice.deploy.image_size_gate": options}
        play = {"hosts": server, "gather_facts": False, "tasks": [task]}
        if user:
            play |= {"become": True, "become_user": user}
        # A file, since a registry's password has no place on a command line.
        playbook = tmp_path / "play.yml"
        playbook.write_text(json.dumps([play]))
        settings = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
        done = subprocess.run(
            ["ansible-playbook", "-i", "molecule/inventory", playbook],
            cwd=PROJECT,
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            return json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"][server]
        except (ValueError, LookupError):
            pytest.fail(f"no result:\n{done.stdout}{done.stderr}")

    return run
