"""The first key of a new server, through ansible-playbook and the role, kept in a vault file."""

from __future__ import annotations

import json
import os
import pathlib
import stat
import subprocess
import sys

import pytest

from ansible_collections.sluice.deploy.tests.standin_dokploy.fake_engine import FakeEngine
from ansible_collections.sluice.deploy.tests.standin_dokploy.server import Standin

PROJECT = pathlib.Path(__file__).resolve().parents[4]
BIN = pathlib.Path(sys.executable).parent
pytestmark = pytest.mark.skipif(
    not (PROJECT / ".collections").exists(), reason="the playbook needs a checkout; make unit runs this test"
)
ADMIN_PASSWORD = "synthetic-admin-0f8a5bcd"
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: sluice.deploy.dokploy_api, tasks_from: key}
    - sluice.deploy.dokploy_info:
        url: "{{ dokploy_api_url }}"
        api_key: "{{ _dokploy_api_made_key }}"
"""


class Controller:
    def __init__(self, directory: pathlib.Path, standin: Standin) -> None:
        self.directory, self.standin = directory, standin
        self.vault = directory / "group_vars/vault.yml"
        self.password = directory / "vault-password"
        self.password.write_text("the-vault-password\n")
        (directory / "play.yml").write_text(PLAY)

    def run(self, tool: str, *words: object) -> subprocess.CompletedProcess[str]:
        environment = {"ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        return subprocess.run(
            [BIN / tool, *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.directory,
            env={**os.environ, **environment, "ANSIBLE_COLLECTIONS_PATH": str(PROJECT / ".collections")},
        )

    def play(self, *words: object, **settings: str) -> tuple[int, str]:
        self.standin.calls.clear()
        variables = {
            "dokploy_api_url": self.standin.url,
            "dokploy_api_admin_email": "ops@example.com",
            "dokploy_api_admin_password": ADMIN_PASSWORD,
            "dokploy_api_key_file": str(self.vault),
            "ansible_python_interpreter": sys.executable,
            **settings,
        }
        (self.directory / "vars.json").write_text(json.dumps(variables))
        given = ["-vvv", "-i", "localhost,", "-c", "local", "-e", "@vars.json"]
        done = self.run("ansible-playbook", *given, *words, "play.yml")
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    @property
    def posts(self) -> list[str]:
        return [procedure for method, procedure, _ in self.standin.calls if method == "POST"]


@pytest.fixture
def controller(tmp_path):
    standin = Standin(tmp_path / "server", FakeEngine())
    standin.start()
    yield Controller(tmp_path, standin)
    standin.stop()


def test_made_once_kept_encrypted_and_shown_nowhere(controller):
    protected = ["--vault-password-file", controller.password]
    controller.vault.parent.mkdir()
    controller.vault.write_text("# by hand\nother: 1\n")
    controller.run("ansible-vault", "encrypt", *protected, controller.vault)

    status, output = controller.play(*protected)
    assert status == 0, output
    assert controller.posts == ["auth/sign-up/email", "auth/sign-in/email", "user.createApiKey"]
    (key,) = controller.standin.store.keys
    assert controller.standin.store.keys[key] is None, "a key with a limit dies after five calls"
    assert key not in output and ADMIN_PASSWORD not in output
    assert stat.S_IMODE(controller.vault.stat().st_mode) == 0o600
    shown = controller.run("ansible-vault", "view", *protected, controller.vault).stdout
    assert shown == f'# by hand\nother: 1\nvault_dokploy_api_key: "{key}"\n'

    status, output = controller.play(*protected)
    assert status == 0 and controller.posts == [], output
    assert "changed=0" in output and key not in output


def test_a_link_stays_a_link_and_a_mode_stays(controller):
    kept = controller.directory / "kept.yml"
    protected = ["--vault-password-file", controller.password]
    kept.write_text("other: 1\n")
    controller.run("ansible-vault", "encrypt", *protected, kept)
    kept.chmod(0o640)
    controller.vault.parent.mkdir()
    controller.vault.symlink_to("../kept.yml")
    status, output = controller.play(*protected)
    assert status == 0, output
    assert controller.vault.is_symlink() and stat.S_IMODE(kept.stat().st_mode) == 0o640
    assert "vault_dokploy_api_key" in controller.run("ansible-vault", "view", *protected, kept).stdout


def test_no_key_is_made_for_a_file_of_another_vault_id(controller):
    controller.vault.parent.mkdir()
    controller.vault.write_text("other: 1\n")
    own = f"prod@{controller.password}"
    controller.run("ansible-vault", "encrypt", "--vault-id", own, "--encrypt-vault-id", "prod", controller.vault)
    status, output = controller.play("--vault-id", f"stage@{controller.password}")
    assert status != 0 and "there is no password for the vault id 'prod'" in output, output
    assert not controller.standin.calls and not controller.standin.store.keys


def test_nothing_is_made_that_could_not_be_kept(controller):
    status, output = controller.play()
    assert status != 0 and "vault_file: there is no vault password: give --vault-password-file" in output
    controller.vault.parent.mkdir()
    controller.vault.write_text("other: 1\n")
    status, output = controller.play("--vault-password-file", controller.password)
    assert status != 0 and "is not encrypted; run: ansible-vault encrypt" in output
    assert not controller.standin.calls and not controller.standin.store.keys


def test_a_refusal_is_seen(controller):
    controller.standin.store.admin = {"email": "ops@example.com", "password": "another-password"}
    status, output = controller.play("--vault-password-file", controller.password)
    assert status != 0 and "Dokploy refused admin_email and admin_password; the server has an administrator" in output
    assert ADMIN_PASSWORD not in output and not controller.vault.exists()
