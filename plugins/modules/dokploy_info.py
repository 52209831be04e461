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
  - Holds a deployment against its acceptance criteria as far as the API lets one look, which is the containers'
    health, their images' sizes, and secrets in the build log, in the containers' logs and in what the images' variables
    and labels say.
extends_documentation_fragment:
  - sluice.deploy.reading
  - sluice.deploy.dokploy
  - sluice.deploy.dokploy.server
  - sluice.deploy.dokploy.place
options:
  name:
    description: Name of a Compose service in O(environment).
    type: str
  letsencrypt:
    description: Whether to check what certificates of Let's Encrypt need.
    type: bool
    default: false
  secrets:
    description:
      - With V(checks), secret values by name that must stand in no log.
      - Variables of the service whose names say that they are secret are taken as such anyway.
    type: dict
    default: {}
  services:
    description: With V(checks), services that must have a container.
    type: list
    elements: str
    default: []
  health_timeout:
    description: With V(checks), seconds that containers may take to be healthy.
    type: float
    default: 60
  max_image_size:
    description: With V(checks), what a service's image may have at most, unpacked, such as V(500MB). None when empty.
    type: str
    default: ""
  max_image_sizes:
    description: The same by service, which goes before O(max_image_size). An empty one has no limit.
    type: dict
    default: {}
  gather:
    description:
      - What to ask the server for.
      - V(place), V(settings) and V(version) cost one request each, V(checks) needs V(place) and costs three, and
        two for each container and one for each image.
    type: list
    elements: str
    choices: [place, settings, version, checks]
    default: [place, settings]
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
app_name:
  description: Name of the Compose project, with the letters that Dokploy added.
  returned: when checks are gathered
  type: str
results:
  description: Results of the checks, of the server's settings and of the deployment, in the form that all gates share.
  returned: when settings or checks are gathered
  type: list
  elements: dict
version:
  description: Version of Dokploy.
  returned: when version is gathered
  type: str
  sample: v0.30.2
requests: {description: Queries and changes sent., returned: always, type: dict, sample: {reads: 2, writes: 0}}
"""

from typing import Any

from ..module_utils.dokploy.arguments import PLACE, AnsibleModule, Client, run_module, secret_texts, texts
from ..module_utils.dokploy.checks import check_deployment
from ..module_utils.dokploy.lookup import find_place, names
from ..module_utils.dokploy.settings import check_settings
from ..module_utils.errors import UserError


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params = module.params
    gather = params["gather"]
    secrets = secret_texts(params["secrets"])
    client.redact.add(secrets.values())
    result: dict[str, Any] = {"changed": False, "results": []}
    if "place" in gather:
        projects = client.get("project.all") or []
        place = find_place(projects, params["project"] or "", params["environment"], params["name"] or "")
        result |= {
            "project_id": place.project_id,
            "environment_id": place.environment_id,
            "compose_id": place.compose_id,
            "projects": names(projects),
        }
    if "settings" in gather:
        settings = client.get("settings.getWebServerSettings") or {}
        result["results"] += check_settings(settings, url=params["url"], letsencrypt=params["letsencrypt"])
        for gate in result["results"]:
            if gate["status"] == "warn":
                module.warn(": ".join(gate["evidence"] + gate["advice"]))
    if "checks" in gather:
        if not result.get("compose_id"):
            raise UserError(
                f"there is no Compose service {params['name']!r} in environment {params['environment']!r} of "
                f"project {params['project']!r} to check; gather place as well, and deploy it first"
            )
        result["app_name"], results = check_deployment(
            client,
            result["compose_id"],
            secrets,
            params["services"],
            timeout=params["health_timeout"],
            limits=texts("max_image_sizes", params["max_image_sizes"]),
            most=params["max_image_size"],
        )
        result["results"] += results
    if "version" in gather:
        result["version"] = client.version()
    return result


def main() -> None:
    run_module(
        {
            **PLACE,
            "name": {"type": "str"},
            "letsencrypt": {"type": "bool", "default": False},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "services": {"type": "list", "elements": "str", "default": []},
            "health_timeout": {"type": "float", "default": 60},
            "max_image_size": {"type": "str", "default": ""},
            "max_image_sizes": {"type": "dict", "default": {}},
            "gather": {
                "type": "list",
                "elements": "str",
                "choices": ["place", "settings", "version", "checks"],
                "default": ["place", "settings"],
            },
        },
        act,
    )


if __name__ == "__main__":
    main()
