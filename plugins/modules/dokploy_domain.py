#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dokploy_domain
short_description: Give a Compose service on a Dokploy server its domains
version_added: 0.1.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Makes sure that a Compose service has these domains, or has not, all in one call.
  - Dokploy's Traefik routes them and gets the certificates; a change takes effect with the next deployment.
  - A domain is told by its host and path. One that exists twice is an error that lists the ids.
extends_documentation_fragment:
  - sluice.deploy.dokploy
  - sluice.deploy.dokploy.server
  - sluice.deploy.dokploy.service
  - sluice.deploy.dokploy.state
options:
  domains:
    description: The domains.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: Host name.
        type: str
        required: true
      service:
        description: Name of the service in the Compose file.
        type: str
        required: true
      port:
        description: Port on which the service listens in its container.
        type: int
        required: true
      path:
        description: Path prefix that is routed.
        type: str
        default: /
      https:
        description: Whether to serve by HTTPS and redirect HTTP to it.
        type: bool
        default: true
      certificate:
        description:
          - Where the certificate comes from.
          - V(none) uses one that Traefik has already.
          - V(custom) uses the resolver of O(domains[].certificate_resolver).
        type: str
        choices: [letsencrypt, none, custom]
        default: letsencrypt
      certificate_resolver:
        description: Name of a certificate resolver in Traefik's configuration.
        type: str
      internal_path:
        description: Path prefix that is added before the request reaches the service.
        type: str
        default: /
      strip_path:
        description: Whether O(domains[].path) is removed before the request reaches the service.
        type: bool
        default: false
      middlewares:
        description: Traefik middlewares, such as V(security-headers@file).
        type: list
        elements: str
        default: []
  purge:
    description: Delete the service's domains that are not listed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: The service answers under its domain
  sluice.deploy.dokploy_domain:
    url: https://dokploy.example.com
    api_key: "{{ vault_dokploy_api_key }}"
    compose_id: "{{ service.compose_id }}"
    purge: true
    domains:
      - {host: crm.example.com, service: front, port: 3001}
      - {host: crm.example.com, path: /api, service: server, port: 3000}
  delegate_to: localhost
"""

RETURN = r"""
domains:
  description: All domains of the service after the change.
  returned: success
  type: list
  elements: dict
requests: {description: Queries and changes sent., returned: always, type: dict, sample: {reads: 1, writes: 0}}
"""

from typing import Any

from ..module_utils.dokploy.arguments import SERVICE, STATE, AnsibleModule, Client, run_module
from ..module_utils.dokploy.domains import Domain
from ..module_utils.dokploy.routing import ensure_domains

DOMAIN = {
    "host": {"type": "str", "required": True},
    "service": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "path": {"type": "str", "default": "/"},
    "https": {"type": "bool", "default": True},
    "certificate": {
        "type": "str",
        "choices": ["letsencrypt", "none", "custom"],
        "default": "letsencrypt",
    },
    "certificate_resolver": {"type": "str"},
    "internal_path": {"type": "str", "default": "/"},
    "strip_path": {"type": "bool", "default": False},
    "middlewares": {"type": "list", "elements": "str", "default": []},
}


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params = module.params
    domains = [Domain(**{**d, "middlewares": tuple(d["middlewares"])}) for d in params["domains"]]
    outcome = ensure_domains(
        client,
        params["compose_id"],
        domains,
        present=params["state"] == "present",
        purge=params["purge"],
        check=module.check_mode,
    )
    return outcome.result()


def main() -> None:
    run_module(
        {
            **SERVICE,
            "domains": {"type": "list", "elements": "dict", "required": True, "options": DOMAIN},
            "purge": {"type": "bool", "default": False},
            **STATE,
        },
        act,
    )


if __name__ == "__main__":
    main()
