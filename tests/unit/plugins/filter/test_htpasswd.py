# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from passlib.hash import sha512_crypt

from ansible_collections.sluice.deploy.plugins.filter.htpasswd import htpasswd


def test_lines_open_with_the_password():
    lines = htpasswd({"bob": "correct horse", "ann": "battery staple"}, "shop")
    assert [line.split(":")[0] for line in lines] == ["ann", "bob"]
    assert sha512_crypt.verify("correct horse", lines[1].split(":", 1)[1])
    assert not sha512_crypt.verify("battery staple", lines[1].split(":", 1)[1])


def test_same_passwords_give_the_same_lines_but_not_across_realms():
    users = {"ann": "battery staple"}
    assert htpasswd(users, "shop") == htpasswd(users, "shop")
    assert htpasswd(users, "shop") != htpasswd(users, "blog")


@pytest.mark.parametrize("users", [["ann"], {"a:b": "long enough"}, {"": "long enough"}, {"ann": "short"}])
def test_mistakes(users):
    with pytest.raises(AnsibleFilterError) as caught:
        htpasswd(users, "shop")
    assert "long enough" not in str(caught.value)
    assert "short'" not in str(caught.value)


def test_no_users_no_lines():
    assert htpasswd({}, "shop") == []
