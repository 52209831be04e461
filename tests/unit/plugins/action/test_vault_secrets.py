"""The vault file through ansible-playbook and ansible-vault themselves."""

from __future__ import annotations

import os
import pathlib
import stat
import subprocess
import sys

import pytest
import yaml

PROJECT = pathlib.Path(__file__).resolve().parents[4]
BIN = pathlib.Path(sys.executable).parent
pytestmark = pytest.mark.skipif(
    not (PROJECT / ".collections").exists(), reason="the playbook needs a checkout; make unit runs this test"
)
STACK = {
    "stack_services": {
        "server": {"secrets": ["APP_SECRET", "PG_DATABASE_URL"]},
        "postgres": {"secrets": [{"name": "PG_PASSWORD", "as": "file"}]},
        "front": {},
    },
    "secrets_forms": {
        "vault_stack_secrets.PG_DATABASE_URL": {
            "dsn": {
                "scheme": "postgres",
                "user": "twenty",
                "password_from": "vault_stack_secrets.PG_PASSWORD",
                "host": "postgres",
                "database": "twenty",
            }
        },
        "vault_admin_password": {"form": "urlsafe", "length": 24},
    },
}


class Inventory:
    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.all = directory / "inventory/group_vars/all"
        self.all.mkdir(parents=True)
        self.vault = self.all / "vault.yml"
        (directory / "inventory/hosts.yml").write_text("compose: {hosts: {crm-1: {}}}\n")
        (self.all / "stack.yml").write_text(yaml.safe_dump(STACK))
        client = directory / "password-client.sh"
        client.write_text("#!/bin/sh\necho the-vault-password\n")
        client.chmod(0o700)
        self.password = ["--vault-id", f"prod@{client}"]

    def run(self, tool, *words, **environment):
        return subprocess.run(
            [BIN / tool, *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.directory,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_VAULT")},
                "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": str(PROJECT / ".collections"),
                "ANSIBLE_LOCAL_TEMP": str(self.directory / "tmp"),
                **environment,
            },
        )

    def play(self, *words, password=True):
        given = self.password if password else []
        return self.run(
            "ansible-playbook", "-i", "inventory", PROJECT / "playbooks/secrets.yml", "-vvv", "--diff", *given, *words
        )

    def values(self):
        done = self.run("ansible-vault", "view", *self.password, self.vault)
        assert done.returncode == 0, done.stderr
        return yaml.safe_load(done.stdout)


@pytest.fixture
def inventory(tmp_path):
    return Inventory(tmp_path)


def told(done):
    return done.stdout + done.stderr


def test_a_vault_file_from_nothing_to_rotation(inventory):
    rehearsed = inventory.play("--check")
    assert rehearsed.returncode == 0 and not inventory.vault.exists(), told(rehearsed)

    made = inventory.play()
    assert made.returncode == 0, told(made)
    first = inventory.values()
    assert set(first["vault_stack_secrets"]) == {"APP_SECRET", "PG_DATABASE_URL", "PG_PASSWORD"}
    assert len(first["vault_admin_password"]) == 24
    assert inventory.vault.read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert stat.S_IMODE(inventory.vault.stat().st_mode) == 0o600

    before = inventory.vault.read_bytes()
    again = inventory.play()
    assert "changed=0" in again.stdout and inventory.vault.read_bytes() == before, told(again)

    rotated = inventory.play("--extra-vars", '{"secrets_rotate": ["vault_stack_secrets.PG_PASSWORD"]}')
    second = inventory.values()
    changed = {
        key for key, value in second["vault_stack_secrets"].items() if value != first["vault_stack_secrets"][key]
    }
    assert changed == {"PG_PASSWORD", "PG_DATABASE_URL"}, told(rotated)

    output = "".join(map(told, (rehearsed, made, again, rotated)))
    for found in (first, second):
        for value in [*found["vault_stack_secrets"].values(), found["vault_admin_password"]]:
            assert value not in output
    left = [path for path in inventory.directory.rglob("*") if path.is_file() and path != inventory.vault]
    assert not [path for path in left if first["vault_admin_password"] in path.read_text(errors="replace")]


def test_a_stack_with_a_file_of_its_own_and_users_of_a_preview(inventory):
    own = inventory.directory / "inventory/host_vars/wiki/vault.yml"
    own.parent.mkdir(parents=True)
    stack = {
        "stack_services": {"web": {"secrets": ["WIKI_KEY"]}},
        "secrets_forms": {},
        "secrets_more": {"vault_preview_users.alice": {"form": "alphanumeric", "length": 20}},
        "secrets_file": str(own),
    }
    (own.parent / "stack.yml").write_text(yaml.safe_dump(stack))
    (inventory.directory / "inventory/hosts.yml").write_text("compose: {hosts: {crm-1: {}, wiki: {}}}\n")
    made = inventory.play("--vault-id", "other@" + inventory.password[1].partition("@")[2])
    assert made.returncode == 0, told(made)
    assert "WIKI_KEY" not in inventory.values()["vault_stack_secrets"]
    inventory.vault = own
    found = inventory.values()
    assert set(found) == {"vault_stack_secrets", "vault_preview_users"}
    assert list(found["vault_stack_secrets"]) == ["WIKI_KEY"]
    assert len(found["vault_preview_users"]["alice"]) == 20 and found["vault_preview_users"]["alice"].isalnum()
    # Without a word to the contrary, the first id that was given is the one of new files.
    assert own.read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;prod\n")


def test_the_file_opens_in_an_editor(inventory):
    assert inventory.play().returncode == 0
    editor = inventory.directory / "editor"
    editor.write_text('#!/bin/sh\nprintf "vault_own: mine\\n" >>"$1"\n')
    editor.chmod(0o700)
    done = inventory.run("ansible-vault", "edit", *inventory.password, inventory.vault, EDITOR=str(editor))
    assert done.returncode == 0, told(done)
    assert inventory.play().returncode == 0
    assert inventory.values()["vault_own"] == "mine"


@pytest.mark.parametrize(
    ("prepare", "password", "message"),
    [
        (lambda vault: None, False, "there is no vault password"),
        (lambda vault: vault.write_text("vault_own: planted\n"), True, "is not encrypted; run: ansible-vault encrypt"),
    ],
)
def test_what_is_missing_is_told_in_a_sentence(prepare, password, message, inventory):
    prepare(inventory.vault)
    done = inventory.play(password=password)
    assert done.returncode != 0
    assert message in told(done), told(done)
    assert "Traceback" not in told(done)


def test_rotating_leaves_the_files_of_other_stacks_alone(inventory):
    (inventory.directory / "inventory/hosts.yml").write_text("compose: {hosts: {crm-1: {}, shop-1: {}}}\n")
    hosts = inventory.directory / "inventory/host_vars"
    hosts.mkdir()
    other = inventory.directory / "inventory/shop.yml"
    shop = {"secrets_file": str(other), "stack_services": {"shop": {"secrets": ["SHOP_KEY"]}}, "secrets_forms": {}}
    (hosts / "shop-1.yml").write_text(yaml.safe_dump(shop))
    assert inventory.play().returncode == 0
    before = other.read_bytes()
    rotated = inventory.play("--extra-vars", "secrets_rotate=APP_SECRET")
    assert rotated.returncode == 0, told(rotated)
    assert other.read_bytes() == before
    refused = inventory.play("--extra-vars", "secrets_rotate=NOWHERE")
    assert refused.returncode and "NOWHERE is no secret of this inventory" in told(refused)
