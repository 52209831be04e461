#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dokploy_info
short_description: Look at a Dokploy server
version_added: 0.1.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Finds the ids of a project, an environment and a Compose service by their names.
  - Checks the server's settings for those that hurt, such as its nightly removal of all unused images.
extends_documentation_fragment:
  - sluice.deploy.dokploy
  - sluice.deploy.dokploy.key
options:
  project:
    description: Name of a project.
    type: str
  environment:
    description: Name of an environment in O(project).
    type: str
    default: production
  name:
    description: Name of a Compose service in O(environment).
    type: str
  letsencrypt:
    description: Whether to check what certificates of Let's Encrypt need.
    type: bool
    default: false
  gather:
    description: What to ask the server for. Each costs one request.
    type: list
    elements: str
    choices: [place, settings, version]
    default: [place, settings]
attributes:
  check_mode:
    description: Reads only, so that check mode makes no difference.
    support: full
  diff_mode:
    description: Reads only, so that there is nothing to show.
    support: none
  idempotent:
    description: Reads only.
    support: full
"""

EXAMPLES = r"""
- name: Look where the service is
  sluice.deploy.dokploy_info:
    url: https://dokploy.example.com
    api_key: "{{ vault_dokploy_api_key }}"
    project: crm
    name: twenty
  delegate_to: localhost
  register: found
"""

RETURN = r"""
project_id:
  description: Id of the project; null where there is none.
  returned: when place is gathered
  type: str
environment_id:
  description: Id of the environment; null where there is none.
  returned: when place is gathered
  type: str
compose_id:
  description: Id of the Compose service; null where there is none.
  returned: when place is gathered
  type: str
projects:
  description: Names of all projects, the environments in each and their Compose services.
  returned: when place is gathered
  type: list
  elements: dict
  sample: [{name: crm, environments: [{name: production, services: [twenty]}]}]
gates:
  description: Results of the checks of the server's settings.
  returned: when settings are gathered
  type: list
  elements: dict
version:
  description: Version of Dokploy.
  returned: when version is gathered
  type: str
  sample: v0.30.2
requests:
  description: How many queries and changes were sent to the server.
  returned: always
  type: dict
  sample: {reads: 2, writes: 0}
"""

from typing import TYPE_CHECKING, Any

from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.arguments import run_module
from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.lookup import find_place, names
from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.settings import check_settings

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.client import Client


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params = module.params
    result: dict[str, Any] = {"changed": False}
    if "place" in params["gather"]:
        projects = client.get("project.all") or []
        place = find_place(projects, params["project"] or "", params["environment"], params["name"] or "")
        result |= {
            "project_id": place.project_id,
            "environment_id": place.environment_id,
            "compose_id": place.compose_id,
            "projects": names(projects),
        }
    if "settings" in params["gather"]:
        settings = client.get("settings.getWebServerSettings") or {}
        result["gates"] = check_settings(settings, letsencrypt=params["letsencrypt"])
        for gate in result["gates"]:
            if gate["status"] == "warn":
                module.warn(": ".join(gate["evidence"] + gate["advice"]))
    if "version" in params["gather"]:
        result["version"] = client.version()
    return result


def main() -> None:
    run_module(
        {
            "project": {"type": "str"},
            "environment": {"type": "str", "default": "production"},
            "name": {"type": "str"},
            "letsencrypt": {"type": "bool", "default": False},
            "gather": {
                "type": "list",
                "elements": "str",
                "choices": ["place", "settings", "version"],
                "default": ["place", "settings"],
            },
        },
        act,
    )


if __name__ == "__main__":
    main()
