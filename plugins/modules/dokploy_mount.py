#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dokploy_mount
short_description: Give a Compose service on a Dokploy server a file
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Makes sure that a file of this name and content lies beside the Compose file's directory, which Dokploy deletes at
    each deployment, or does not.
  - The Compose file mounts it as C(../files/NAME).
extends_documentation_fragment:
  - sluice.deploy.dokploy
  - sluice.deploy.dokploy.server
  - sluice.deploy.dokploy.service
  - sluice.deploy.dokploy.state
options:
  file:
    description: Name of the file, a path with directories where it has any.
    type: str
    required: true
  content:
    description: The text of the file. Needed with O(state=present). No output shows it.
    type: str
"""

EXAMPLES = r"""
- name: The service has its configuration
  sluice.deploy.dokploy_mount:
    url: https://dokploy.example.com
    api_key: "{{ vault_dokploy_api_key }}"
    compose_id: "{{ service.compose_id }}"
    file: nginx.conf
    content: "{{ lookup('ansible.builtin.file', 'nginx.conf') }}"
  delegate_to: localhost
"""

RETURN = r"""
id:
  description: Id of the file mount; null where there is none.
  returned: success
  type: str
requests: {description: Queries and changes sent., returned: always, type: dict, sample: {reads: 1, writes: 0}}
"""

from typing import Any

from ..module_utils.dokploy.arguments import SERVICE, STATE, AnsibleModule, Client, run_module, settle_row
from ..module_utils.dokploy.belongings import MOUNT, of_service
from ..module_utils.dokploy.rows import Wanted


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params, compose_id = module.params, module.params["compose_id"]
    wanted = Wanted(
        {"filePath": params["file"]},
        {"content": params["content"]},
        {"type": "file", "serviceType": "compose", "serviceId": compose_id, "mountPath": f"/{params['file']}"},
    )
    mounts = of_service(client, compose_id, check=module.check_mode, field="mounts")
    return settle_row(module, client, MOUNT, mounts, wanted)


def main() -> None:
    run_module(
        {
            **SERVICE,
            "file": {"type": "str", "required": True},
            "content": {"type": "str", "no_log": True},
            **STATE,
        },
        act,
        required_if=[("state", "present", ("content",))],
    )


if __name__ == "__main__":
    main()
