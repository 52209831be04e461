#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dokploy_environment
short_description: Create, describe or remove an environment of a Dokploy project
version_added: 0.1.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Makes sure that a project has an environment of exactly this name, or has not.
  - Each project has the environment V(production) from the start; it goes only with the project.
  - Removing an environment first deletes its Compose services with their containers.
extends_documentation_fragment:
  - sluice.deploy.dokploy
  - sluice.deploy.dokploy.server
  - sluice.deploy.dokploy.removal
options:
  project:
    description: Name of the project.
    type: str
    required: true
  name:
    description: Name of the environment.
    type: str
    required: true
  description:
    description: What the environment is for. Left as it is when not set.
    type: str
"""

EXAMPLES = r"""
- name: The project has a staging environment
  sluice.deploy.dokploy_environment:
    url: https://dokploy.example.com
    api_key: "{{ vault_dokploy_api_key }}"
    project: crm
    name: staging
  delegate_to: localhost
"""

RETURN = r"""
project_id:
  description: Id of the project; null in check mode where it does not exist yet.
  returned: success
  type: str
environment_id:
  description: Id of the environment; null where there is none.
  returned: success
  type: str
requests: {description: Queries and changes sent., returned: always, type: dict, sample: {reads: 1, writes: 0}}
"""

from typing import Any

from ..module_utils.dokploy.arguments import REMOVAL, AnsibleModule, Client, run_module
from ..module_utils.dokploy.projects import (
    ensure_environment,
    remove_environment,
)


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params, check = module.params, module.check_mode
    project, name = params["project"], params["name"]
    if params["state"] == "absent":
        outcome = remove_environment(client, project, name, delete_volumes=params["delete_volumes"], check=check)
    else:
        outcome = ensure_environment(client, project, name, params["description"], check=check)
    return outcome.result()


def main() -> None:
    run_module(
        {
            "project": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "description": {"type": "str"},
            **REMOVAL,
        },
        act,
    )


if __name__ == "__main__":
    main()
