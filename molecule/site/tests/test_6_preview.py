"""A closed preview, from the user that `make secrets` makes to a verified site, and open again."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from conftest import SECRETS, run

SITE = ("ansible-playbook", "playbooks/site.yml", "-i", "inventories/demo")
MORE = """
secrets_file: VAULT
secrets_more: {vault_preview_users.alice: {form: alphanumeric, length: 20}}
nginx_certbot_basic_auth: "{{ vault_preview_users }}"
"""


@pytest.fixture
def preview(tmp_path):
    """What a user adds to the inventory, and the file with the vault's password."""
    settings = tmp_path / "inventory/group_vars/all"
    settings.mkdir(parents=True)
    (settings.parent.parent / "hosts.yml").write_text("compose: {hosts: {demo: }}\n")
    (settings / "edge.yml").write_text(MORE.replace("VAULT", str(settings / "vault.yml")))
    (tmp_path / "password").write_text("open sesame")
    return settings, tmp_path / "password"


@pytest.fixture
def status(server):
    """The answer's status at the public name, by a client that trusts the authority alone."""
    context = ssl.create_default_context(cafile=str(SECRETS / "ca.pem"))

    def ask(user: str = "", password: str = "") -> int:
        headers = {}
        if user:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        connection = http.client.HTTPSConnection("crm.demo.test", timeout=10)
        raw = socket.create_connection((server("ip", "demo"), 443), timeout=10)
        connection.sock = context.wrap_socket(raw, server_hostname="crm.demo.test")
        connection.request("GET", "/api/health", headers=headers)
        return connection.getresponse().status

    return ask


def test_only_who_has_the_password_gets_in(deployed, server, preview, status):
    settings, password = preview
    more = ("-i", str(settings.parent.parent), "--vault-password-file", str(password))
    address = server("ip", "demo")
    made = run("ansible-playbook", "playbooks/secrets.yml", "-i", "inventories/demo", *more)
    assert made.status == 0, made.output
    vault = (settings / "vault.yml").read_bytes()
    opened = yaml.safe_load(VaultLib([("default", VaultSecret(b"open sesame"))]).decrypt(vault))
    alice = opened["vault_preview_users"]["alice"]
    assert len(alice) == 20 and alice not in made.output
    try:
        # The checks get in by themselves, the login among them.
        closed = run(*SITE, *more, "--tags", "nginx_certbot,verify", "-vvv", "--diff", DEMO_ADDRESS=address)
        assert closed.status == 0, closed.output[-8000:]
        assert alice not in closed.output
        assert (status(), status("alice", "wrong"), status("alice", alice)) == (401, 401, 200)
    finally:
        again = run(*SITE, "--tags", "nginx_certbot", DEMO_ADDRESS=address)
    assert again.status == 0, again.output[-8000:]
    assert status() == 200
