from __future__ import annotations

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.dockerhost import access

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIplanted ada@desk"
LIMITED = f'from="192.0.2.0/24",command="backup now" {KEY}'


@pytest.mark.parametrize("line", [KEY, LIMITED, KEY.replace("ssh-ed25519", "sk-ssh-ed25519@openssh.com")])
@pytest.mark.parametrize(
    ("setting", "place"),
    [("", ".ssh/authorized_keys"), (".ssh/authorized_keys .ssh/more", ".ssh/more"), ("%h/keys/%u-%U%%", "keys/ada-1%")],
)
def test_who_has_a_key_gets_in(tmp_path, setting, place, line):
    path = tmp_path / place
    path.parent.mkdir()
    path.write_text(f"# a remark\n\n{line}\n")
    settings = {"authorizedkeysfile": setting} if setting else {}
    assert access.judge(settings, "ada", str(tmp_path), 1) == ""


@pytest.mark.parametrize("content", [None, "", f"#{KEY}\n", "not a key\n"])
def test_who_has_none_would_be_locked_out(tmp_path, content):
    if content is not None:
        (tmp_path / "authorized_keys").write_text(content)
    said = access.judge({"authorizedkeysfile": "authorized_keys"}, "ada", str(tmp_path), 1)
    assert said.startswith(f"ada, who logged in, has no key in {tmp_path}/authorized_keys; put one there")


def test_a_server_that_takes_no_keys_is_named(tmp_path):
    (tmp_path / "authorized_keys").write_text(KEY)
    settings = {"authorizedkeysfile": "authorized_keys", "pubkeyauthentication": "no"}
    assert "PubkeyAuthentication no" in access.judge(settings, "ada", str(tmp_path), 1)


@pytest.mark.parametrize("known_elsewhere", ["authorizedkeyscommand", "trustedusercakeys"])
def test_what_another_place_says_of_keys_is_left_to_the_login(tmp_path, known_elsewhere):
    assert access.judge({known_elsewhere: "/usr/bin/sss"}, "ada", str(tmp_path), 1) == ""
