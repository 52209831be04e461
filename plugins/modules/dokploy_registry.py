#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dokploy_registry
short_description: Log a Dokploy server in to an image registry
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Makes sure that a Dokploy server is logged in to a registry, so that its deployments may pull from it, or is not.
  - Dokploy logs in when a registry is made or changed, and refuses one that does not let it in.
extends_documentation_fragment:
  - sluice.deploy.dokploy
  - sluice.deploy.dokploy.server
  - sluice.deploy.dokploy.state
options:
  name:
    description: Name of the registry in Dokploy.
    type: str
    required: true
  address:
    description: Host name of the registry, with a port where it has one. Empty for Docker Hub.
    type: str
    default: ""
  username:
    description: Needed with O(state=present).
    type: str
  password:
    description: Needed with O(state=present).
    type: str
  image_prefix:
    description: Path that is put before the names of images which Dokploy pushes. Left as it is when not set.
    type: str
"""

EXAMPLES = r"""
- name: The server may pull our images
  sluice.deploy.dokploy_registry:
    url: https://dokploy.example.com
    api_key: "{{ vault_dokploy_api_key }}"
    name: ours
    address: registry.example.com
    username: deploy
    password: "{{ vault_registry_password }}"
  delegate_to: localhost
"""

RETURN = r"""
id:
  description: Id of the registry; null where there is none.
  returned: success
  type: str
requests: {description: Queries and changes sent., returned: always, type: dict, sample: {reads: 1, writes: 0}}
"""

from typing import Any

from ..module_utils.dokploy.arguments import STATE, AnsibleModule, Client, run_module, settle_row
from ..module_utils.dokploy.belongings import REGISTRY
from ..module_utils.dokploy.rows import Wanted


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params = module.params
    client.redact.add(filter(None, [params["password"]]))
    wanted = Wanted(
        {"registryName": params["name"]},
        {
            "registryUrl": params["address"],
            "username": params["username"],
            "password": params["password"],
            "imagePrefix": params["image_prefix"],
        },
        {"registryType": "cloud", "imagePrefix": None},
    )
    return settle_row(module, client, REGISTRY, lambda: client.get("registry.all") or [], wanted)


def main() -> None:
    run_module(
        {
            "name": {"type": "str", "required": True},
            "address": {"type": "str", "default": ""},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "image_prefix": {"type": "str"},
            **STATE,
        },
        act,
        required_if=[("state", "present", ("username", "password"))],
    )


if __name__ == "__main__":
    main()
