#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dokploy_project
short_description: Create, describe or remove a project on a Dokploy server
version_added: 0.1.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Makes sure that a project of exactly this name exists on a Dokploy server, or does not.
  - More than one project of the name is an error that lists their ids, since Dokploy lets names repeat.
  - Removing a project first deletes its Compose services with their containers, which Dokploy itself leaves
    running.
extends_documentation_fragment:
  - sluice.deploy.dokploy
  - sluice.deploy.dokploy.server
  - sluice.deploy.dokploy.removal
options:
  name:
    description: Name of the project.
    type: str
    required: true
  description:
    description: What the project is for. Left as it is when not set.
    type: str
  only_empty:
    description: With O(state=absent), whether a project that holds anything stays.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: The project exists
  sluice.deploy.dokploy_project:
    url: https://dokploy.example.com
    api_key: "{{ vault_dokploy_api_key }}"
    name: crm
  delegate_to: localhost
"""

RETURN = r"""
project_id:
  description: Id of the project; null where there is none.
  returned: success
  type: str
environments:
  description: The project's environments and the Compose services in each.
  returned: success
  type: list
  elements: dict
  sample: [{name: production, environment_id: abc, services: [twenty]}]
requests: {description: Queries and changes sent., returned: always, type: dict, sample: {reads: 1, writes: 0}}
"""

from typing import Any

from ..module_utils.dokploy.arguments import REMOVAL, AnsibleModule, Client, run_module
from ..module_utils.dokploy.projects import (
    ensure_project,
    remove_project,
)


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params, check = module.params, module.check_mode
    if params["state"] == "absent":
        outcome = remove_project(
            client,
            params["name"],
            delete_volumes=params["delete_volumes"],
            only_empty=params["only_empty"],
            check=check,
        )
    else:
        outcome = ensure_project(client, params["name"], params["description"], check=check)
    return outcome.result()


def main() -> None:
    run_module(
        {
            "name": {"type": "str", "required": True},
            "description": {"type": "str"},
            "only_empty": {"type": "bool", "default": False},
            **REMOVAL,
        },
        act,
    )


if __name__ == "__main__":
    main()
