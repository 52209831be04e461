#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dokploy_api_key
short_description: Set up a new Dokploy server's administrator and make an API key
version_added: 0.1.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Signs up the first administrator of a new Dokploy server, or signs in where there is one,
    and makes an API key.
  - The key has no rate limit. With Dokploy's defaults it would be refused after about five calls a day.
  - Dokploy shows a key once. O(vault_file) keeps it, encrypted, and a later run takes it from there.
  - The key is also returned in RV(key), in a result that Ansible does not show.
extends_documentation_fragment:
  - sluice.deploy.dokploy.server
options:
  admin_email:
    description: E-mail address of the administrator.
    type: str
    required: true
  admin_password:
    description: Password of the administrator, at least eight characters.
    type: str
    required: true
  admin_name:
    description: First name of a new administrator.
    type: str
    default: Admin
  admin_last_name:
    description: Last name of a new administrator.
    type: str
    default: Admin
  name:
    description: Name of the key, at most 32 characters.
    type: str
    default: ansible
  vault_file:
    description:
      - Variables file on the controller, such as C(group_vars/dokploy/vault.yml), that holds the key or is to hold it.
      - It is encrypted with the vault password that the play was given; its other content stays as it is.
      - Without it, each run makes a key, since names of keys repeat too.
    type: path
  vault_variable:
    description: Name of the variable in O(vault_file).
    type: str
    default: vault_dokploy_api_key
attributes:
  check_mode:
    description: Says that a key would be made, and makes none.
    support: full
  diff_mode:
    description: There is nothing to show that is not secret.
    support: none
  idempotent:
    description: With O(vault_file), a second run finds the key there and asks the server nothing.
    support: partial
"""

EXAMPLES = r"""
- name: There is an API key
  sluice.deploy.dokploy_api_key:
    url: https://dokploy.example.com
    admin_email: ops@example.com
    admin_password: "{{ vault_dokploy_admin_password }}"
    vault_file: "{{ inventory_dir }}/group_vars/dokploy/vault.yml"
  delegate_to: localhost
  register: made
"""

RETURN = r"""
key:
  description: The API key. Dokploy never shows it again.
  returned: when not in check mode
  type: str
signed_up:
  description: Whether the administrator was created.
  returned: when not in check mode
  type: bool
requests: {description: Queries and changes sent., returned: always, type: dict, sample: {reads: 1, writes: 3}}
"""

from typing import Any

from ..module_utils.dokploy.arguments import AnsibleModule, Client, run_module
from ..module_utils.dokploy.bootstrap import (
    Administrator,
    create_api_key,
    sign_in,
    sign_up,
)


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params = module.params
    if module.check_mode:
        return {"changed": True}
    client.redact.add([params["admin_password"]])
    who = Administrator(
        email=params["admin_email"],
        password=params["admin_password"],
        name=params["admin_name"],
        last_name=params["admin_last_name"],
    )
    signed_up = sign_up(client, who)
    sign_in(client, who)
    return {"changed": True, "signed_up": signed_up, "key": create_api_key(client, params["name"])}


def main() -> None:
    run_module(
        {
            "admin_email": {"type": "str", "required": True},
            "admin_password": {"type": "str", "required": True, "no_log": True},
            "admin_name": {"type": "str", "default": "Admin"},
            "admin_last_name": {"type": "str", "default": "Admin"},
            "name": {"type": "str", "default": "ansible"},
            # These two are the action's.
            "vault_file": {"type": "path"},
            "vault_variable": {"type": "str", "default": "vault_dokploy_api_key"},
        },
        act,
        needs_key=False,
    )


if __name__ == "__main__":
    main()
