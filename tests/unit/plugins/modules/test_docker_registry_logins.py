"""Logins and authorities of registries: what lies on the server, what Docker's helper answers, and that a password is nowhere else."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.sluice.deploy.plugins.module_utils.docker.logins import login_of
from ansible_collections.sluice.deploy.plugins.module_utils.dockerhost import credential, logins
from ansible_collections.sluice.deploy.plugins.module_utils.edge.certificates import self_signed
from ansible_collections.sluice.deploy.plugins.modules import docker_registry_logins as module

PASSWORD = "planted-password"


@pytest.fixture(scope="module")
def authority():
    """A certificate, PEM."""
    return self_signed(("registry",))[0].decode()


@pytest.fixture
def server(tmp_path, monkeypatch, capsys):
    """Runs the module on a server whose files lie in a scratch directory."""
    monkeypatch.setattr(module, "HELPER", tmp_path / "bin/docker-credential-sluice")
    monkeypatch.setattr(credential, "LOGINS", tmp_path / "etc/logins.json")
    monkeypatch.setattr(logins, "CERTIFICATES", tmp_path / "certs.d")

    class Server:
        root, config, logins, helper = tmp_path, tmp_path / ".docker/config.json", credential.LOGINS, module.HELPER
        certificates = tmp_path / "certs.d"

        def run(self, registries, check=False):
            given = {"registries": registries, "path": str(self.config)}
            with (
                patch_module_args({**given, "_ansible_check_mode": check, "_ansible_diff": True}),
                pytest.raises(SystemExit),
            ):
                module.main()
            said = capsys.readouterr().out
            assert PASSWORD not in said
            return json.loads(said)

        def ask(self, registry):
            """As Docker does, with the server's own Python."""
            start = "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
            start += "from sluice.dockerhost.credential import main; sys.exit(main(['get'], Path(sys.argv[2])))"
            argv = ["python3", "-c", start, str(self.helper), str(self.logins)]
            return subprocess.run(argv, input=registry, capture_output=True, text=True, check=False)

    return Server()


def test_logins_come_change_and_go_beside_those_of_others(server):
    server.config.parent.mkdir()
    others = {"auths": {"other.example.com": {"auth": "eDp5"}}, "credHelpers": {"third.example.com": "pass"}}
    server.config.write_text(json.dumps(others))
    wanted = {"ghcr.io": {"username": "crm", "password": PASSWORD}, "docker.io": {"username": "u", "password": "p"}}
    first = server.run(wanted)
    assert first["changed"]
    assert first["diff"]["after"] == "docker.io: u\nghcr.io: crm\n"
    assert not server.run(wanted)["changed"]
    told = json.loads(server.config.read_text())
    assert told["auths"] == others["auths"]
    assert told["credHelpers"] == {
        "third.example.com": "pass",
        "ghcr.io": "sluice",
        "https://index.docker.io/v1/": "sluice",
    }
    assert PASSWORD not in server.config.read_text()
    assert {p.stat().st_mode & 0o777 for p in (server.config, server.logins)} == {0o600}
    answer = json.loads(server.ask("ghcr.io").stdout)
    assert answer == {"ServerURL": "ghcr.io", "Username": "crm", "Secret": PASSWORD}
    assert json.loads(server.ask("https://index.docker.io/v1/").stdout)["Secret"] == "p"
    assert server.run({"ghcr.io": {"username": "crm", "password": "next"}})["changed"]
    assert json.loads(server.ask("ghcr.io").stdout)["Secret"] == "next"
    gone = server.ask("docker.io")
    assert (gone.returncode, gone.stdout.strip()) == (1, "credentials not found in native keychain")
    assert server.run({})["changed"]
    assert json.loads(server.config.read_text()) == others
    assert not server.logins.exists() and not server.helper.exists()
    assert not server.run({})["changed"]


def test_check_mode_writes_nothing_and_runs_no_command(server):
    command = ["touch", str(server.root / "ran")]
    assert server.run({"ghcr.io": {"username": "crm", "password_command": command}}, check=True)["changed"]
    assert os.listdir(server.root) == []


def test_an_authority_lies_where_docker_looks_and_ends_with_its_entry(server, authority):
    given = {"registry:5000": {"username": "u", "password": PASSWORD, "ca": f"\n{authority}\n\n"}}
    place = server.certificates / "registry:5000/ca.crt"
    rehearsed = server.run(given, check=True)
    assert rehearsed["changed"] and not server.certificates.exists()
    first = server.run(given)
    assert first["diff"] == rehearsed["diff"]
    assert re.fullmatch(r"registry:5000: u, ca sha256:[0-9a-f]{16}\n", first["diff"]["after"])
    assert place.read_text() == authority
    assert place.stat().st_mode & 0o777 == 0o644
    assert not server.run(given)["changed"]
    place.write_text("another's")
    assert server.run(given)["changed"]
    assert place.read_text() == authority
    assert json.loads(server.ask("registry:5000").stdout)["Secret"] == PASSWORD
    assert server.run({"registry:5000": {"username": "u", "password": PASSWORD}})["changed"]
    assert not place.parent.exists()
    assert server.run({}, check=True)["changed"]


def test_an_authority_without_a_login_leaves_docker_to_ask_for_none(server, authority):
    by_hand = server.certificates / "other.example.com/ca.crt"
    by_hand.parent.mkdir(parents=True)
    by_hand.write_text("by hand")
    (server.certificates / "mirror.example.com").mkdir()
    beside = server.certificates / "mirror.example.com/client.cert"
    beside.write_text("by hand")
    assert server.run({"mirror.example.com": {"ca": authority}})["registries"] == ["mirror.example.com"]
    assert (server.certificates / "mirror.example.com/ca.crt").read_text() == authority
    assert not server.config.exists()
    assert server.ask("mirror.example.com").stdout.strip() == "credentials not found in native keychain"
    assert server.run({})["changed"]
    assert not (server.certificates / "mirror.example.com/ca.crt").exists()
    assert by_hand.exists() and beside.exists()


def test_a_file_of_logins_that_cannot_be_read_is_written_anew(server, authority):
    given = {"registry:5000": {"ca": authority}}
    server.run(given)
    for spoilt in ("[", "[]", '{"registry:5000": 1}'):
        server.logins.write_text(spoilt)
        told = server.run(given)
        assert told["changed"] and told["diff"]["before"] == "cannot be read\n"
    assert not server.run(given)["changed"]


def test_a_command_is_run_each_time_that_a_password_is_wanted(server):
    token = server.root / "token"
    token.write_text("first\n")
    server.run({"ecr.example.com": {"username": "AWS", "password_command": f"cat '{token}'"}})
    assert json.loads(server.ask("ecr.example.com").stdout)["Secret"] == "first"
    token.write_text("second\n")
    assert json.loads(server.ask("ecr.example.com").stdout)["Secret"] == "second"
    token.unlink()
    failed = server.ask("ecr.example.com")
    assert failed.returncode == 1
    assert "the password_command of ecr.example.com ended with status 1" in failed.stderr


@pytest.mark.parametrize(
    ("registries", "message"),
    [
        ({"https://ghcr.io": {"username": "a", "password": PASSWORD}}, "this is no registry's name"),
        ({"ghcr.io": {"username": "a", "pasword": PASSWORD}}, "unknown key 'pasword' (did you mean 'password'?)"),
        ({"ghcr.io": {"username": "a"}}, "give it username, and one of password and password_command"),
        ({"ghcr.io": PASSWORD}, "expected username with"),
        ({"ghcr.io": {"username": "a", "password_command": ["false"]}}, "ended with status 1"),
        ({"ghcr.io": {"username": "a", "password_command": ["true"]}}, "printed nothing"),
        ({"ghcr.io": {"ca": "registry-ca.crt"}}, "ghcr.io.ca: it is neither certificates in PEM form nor a file"),
        ({"ghcr.io": {"ca": ["x"]}}, "ghcr.io.ca: it is neither certificates in PEM form nor a file"),
        ({"ghcr.io": {"ca": "-----BEGIN PRIVATE KEY-----\n"}}, "ghcr.io.ca: it holds a private key"),
        ({"docker.io": {"ca": "x"}}, "docker.io.ca: Docker Hub's certificate is checked against the system's"),
        ({"ghcr.io": {"ca": "x", "username": "a"}}, "it is neither certificates"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_changes(server, registries, message):
    told = server.run(registries)
    assert told["failed"]
    assert message in told["msg"]
    assert "docker_host_registries" in told["msg"]
    assert os.listdir(server.root) == []


def test_a_configuration_that_is_none_is_left_alone(server):
    server.config.parent.mkdir()
    server.config.write_text("[")
    assert "is no configuration" in server.run({"ghcr.io": {"username": "a", "password": "b"}})["msg"]
    assert server.config.read_text() == "["


def test_whoever_asks_a_registry_without_docker_finds_the_same_login(tmp_path, monkeypatch):
    helper = tmp_path / "docker-credential-mine"
    helper.write_text('#!/bin/sh\nread -r host; echo "{\\"Username\\": \\"$host\\", \\"Secret\\": \\"s\\"}"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    auth = base64.b64encode(b"a:b:c").decode()
    auths = {"ghcr.io": {"auth": auth}, "https://index.docker.io/v1/": {"auth": auth}, "bad.example.com": {"auth": "?"}}
    config = {"auths": auths, "credHelpers": {"ecr.example.com": "mine", "none.example.com": "absent"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    asked = ("ghcr.io", "docker.io", "ecr.example.com", "none.example.com", "bad.example.com", "unknown.example.com")
    found = [login_of(registry, tmp_path) for registry in asked]
    assert found == [("a", "b:c"), ("a", "b:c"), ("ecr.example.com", "s"), None, None, None]
