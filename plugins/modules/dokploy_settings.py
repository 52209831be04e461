#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dokploy_settings
short_description: Set what a Dokploy server does for all of its services
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Sets the server's nightly removal of unused images, its own address, the e-mail address for Let's Encrypt, and how
    many builds run at once. What is not set stays as it is.
  - Traefik reads a new e-mail address when it is started the next time.
extends_documentation_fragment:
  - sluice.deploy.dokploy
  - sluice.deploy.dokploy.server
options:
  docker_cleanup:
    description: Whether all unused images, stopped containers and the build cache of the host are removed each night.
    type: bool
  acme_email:
    description: E-mail address of the account with Let's Encrypt.
    type: str
  domain:
    description: Host name under which Dokploy itself answers.
    type: str
  https:
    description: Whether O(domain) is served by HTTPS.
    type: bool
  certificate:
    description: Where the certificate of O(domain) comes from.
    type: str
    choices: [letsencrypt, none, custom]
  builds_concurrency:
    description: How many deployments are built at once.
    type: int
"""

EXAMPLES = r"""
- name: Former images stay, and Let's Encrypt knows whom to write to
  sluice.deploy.dokploy_settings:
    url: https://dokploy.example.com
    api_key: "{{ vault_dokploy_api_key }}"
    docker_cleanup: false
    acme_email: ops@example.com
  delegate_to: localhost
"""

RETURN = r"""
requests: {description: Queries and changes sent., returned: always, type: dict, sample: {reads: 1, writes: 0}}
"""

from typing import Any

from ..module_utils.dokploy.arguments import AnsibleModule, Client, run_module
from ..module_utils.dokploy.belongings import web_server_changes
from ..module_utils.dokploy.projects import Change
from ..module_utils.dokploy.source import changes, check_stored


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params = module.params
    wanted = {
        "enableDockerCleanup": params["docker_cleanup"],
        "letsEncryptEmail": params["acme_email"],
        "host": params["domain"],
        "https": params["https"],
        "certificateType": params["certificate"],
        "buildsConcurrency": params["builds_concurrency"],
    }
    wanted = {name: value for name, value in wanted.items() if value is not None}
    stored = client.get("settings.getWebServerSettings") or {}
    changed = changes(stored, wanted)
    outcome = Change(bool(changed), {name: stored.get(name) for name in changed}, changed)
    if changed and not module.check_mode:
        for procedure, fields in web_server_changes(stored, wanted):
            client.post(procedure, **fields)
        check_stored(client.get("settings.getWebServerSettings") or {}, changed, what="the settings")
    return outcome.result()


def main() -> None:
    run_module(
        {
            "docker_cleanup": {"type": "bool"},
            "acme_email": {"type": "str"},
            "domain": {"type": "str"},
            "https": {"type": "bool"},
            "certificate": {"type": "str", "choices": ["letsencrypt", "none", "custom"]},
            "builds_concurrency": {"type": "int"},
        },
        act,
    )


if __name__ == "__main__":
    main()
