#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dokploy_deployment
short_description: Deploy a Compose service on a Dokploy server when it is due
version_added: 0.1.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Deploys a Compose service if its source, environment or domains changed since the last deployment by
    this module, if the last one failed, or if asked to, and waits for the end.
  - Fetches the whole build log and looks in it for the service's secrets.
  - Judges the containers as well, in each run, because Dokploy calls a deployment done as soon as Compose
    has started them, crash-looping ones included. After a failure Dokploy itself does not bring the former
    version back; O(go_back) does.
  - Remembers what was deployed as a mark at the end of the service's description, and the last two sources that
    served, which are Compose files or commits, as the file mount C(sluice/served.json) of the service. Variables are
    no part of it.
extends_documentation_fragment:
  - sluice.deploy.dokploy
  - sluice.deploy.dokploy.server
  - sluice.deploy.dokploy.service
options:
  state:
    description:
      - Whether the service is to be deployed, or its containers stopped.
      - V(rolled_back) deploys what served before, and judges it as anything else. A commit can be deployed again where
        a branch or tag of its repository ends at it, and where the repository can be read without credentials.
    type: str
    choices: [deployed, stopped, rolled_back]
    default: deployed
  go_back:
    description: After a deployment that failed, or failed a gate, deploy what served before. The task fails still.
    type: bool
    default: true
  pending:
    description: In check mode, whether changes that were not made would make a deployment due.
    type: bool
    default: false
  force:
    description: Deploy even if nothing changed, for example to build a branch's new commits.
    type: bool
    default: false
  revision:
    description: Commit that is to be deployed. Another one having been deployed last makes a deployment due.
    type: str
  title:
    description: Title of the deployment in Dokploy. For a Git source it shows the commit's message instead.
    type: str
    default: Deployed by Ansible
  secrets:
    description:
      - Secret values by name, looked for in the build log and hidden in all output.
      - Variables of the service whose names say that they are secret are taken as such anyway.
    type: dict
    default: {}
  scan:
    description: What a secret in the build log means.
    type: str
    choices: [fail, warn, 'off']
    default: fail
  check_file:
    description: Whether to refuse a Compose file that Dokploy cannot run, before it is deployed.
    type: bool
    default: true
  services:
    description: Services that must have a container afterwards.
    type: list
    elements: str
    default: []
  wait_timeout:
    description: Seconds to wait for the end of the deployment, the queue included.
    type: float
    default: 1800
  health_timeout:
    description: Seconds to wait for the containers to be healthy.
    type: float
    default: 300
  settle:
    description: Seconds that a container without a health check must have been up.
    type: float
    default: 10
  progress_file:
    description:
      - File to which progress is written while waiting, a line for each change.
      - Where the task runs on the controller, it is set by itself, and the lines are shown as they come.
    type: path
"""

EXAMPLES = r"""
- name: The service is deployed
  sluice.deploy.dokploy_deployment:
    url: https://dokploy.example.com
    api_key: "{{ vault_dokploy_api_key }}"
    compose_id: "{{ service.compose_id }}"
    secrets: "{{ vault_stack_secrets }}"
  delegate_to: localhost
"""

RETURN = r"""
reasons:
  description: Why a deployment was due; empty when none was.
  returned: success
  type: list
  elements: str
  sample: [source, environment or domains changed since the last deployment]
deployment_id:
  description: Id of the last deployment.
  returned: success
  type: str
status:
  description: How it ended.
  returned: success
  type: str
revision:
  description: Commit that it built; empty unless the source is Git.
  returned: success
  type: str
app_name:
  description: Name of the Compose project.
  returned: success
  type: str
containers:
  description: The service's containers as last seen.
  returned: success
  type: list
  elements: dict
  sample: [{name: twenty-x1y2z3-server-1, state: running, status: Up 2 minutes (healthy)}]
went_back:
  description: Whether what served before was deployed again.
  returned: failure after which it was
  type: bool
gates:
  description: Results of the gates on build log and containers.
  returned: always
  type: list
  elements: dict
timeline:
  description: What was seen happening, with seconds since the start.
  returned: always
  type: list
  elements: str
  sample: ['0 s: queued', '2 s: running', '31 s: done']
log_tail:
  description: The last lines of the log that tells why, secrets redacted.
  returned: failure
  type: list
  elements: str
requests: {description: Queries and changes sent., returned: always, type: dict, sample: {reads: 2, writes: 0}}
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..module_utils.dokploy.arguments import SERVICE, AnsibleModule, Client, run_module, secret_texts
from ..module_utils.dokploy.deployment import Timeline
from ..module_utils.dokploy.rollout import Rollout, Wish
from ..module_utils.errors import UserError


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params, check = module.params, module.check_mode
    secrets = secret_texts(params["secrets"])
    client.redact.add(secrets.values())
    if not params["compose_id"]:
        if check:
            return {
                "changed": True,
                "reasons": ["the service does not exist yet"],
                "gates": [],
                "timeline": [],
            }
        raise UserError("compose_id is empty; it is what dokploy_compose returns")
    rollout = Rollout(
        client,
        params["compose_id"],
        Wish(
            force=params["force"],
            pending=params["pending"],
            go_back=params["go_back"],
            revision=params["revision"] or "",
            title=params["title"],
            secrets=secrets,
            scan=params["scan"],
            check_file=params["check_file"],
            services=tuple(params["services"]),
            wait_timeout=params["wait_timeout"],
            health_timeout=params["health_timeout"],
            settle=params["settle"],
        ),
        Timeline(tell=teller(params["progress_file"], client)),
    )
    ways = {"deployed": rollout.run, "stopped": rollout.stop, "rolled_back": rollout.roll_back}
    return ways[params["state"]](check=check)


def teller(path: str | None, client: Client) -> Callable[[str], None]:
    """Writes progress for someone who looks on; without a file no one does."""

    def tell(line: str) -> None:
        if path:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(client.redact(line) + "\n")

    return tell


def main() -> None:
    run_module(
        {
            **SERVICE,
            "state": {"type": "str", "choices": ["deployed", "stopped", "rolled_back"], "default": "deployed"},
            "go_back": {"type": "bool", "default": True},
            "pending": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
            "revision": {"type": "str"},
            "title": {"type": "str", "default": "Deployed by Ansible"},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "scan": {"type": "str", "choices": ["fail", "warn", "off"], "default": "fail"},
            "check_file": {"type": "bool", "default": True},
            "services": {"type": "list", "elements": "str", "default": []},
            "wait_timeout": {"type": "float", "default": 1800},
            "health_timeout": {"type": "float", "default": 300},
            "settle": {"type": "float", "default": 10},
            "progress_file": {"type": "path"},
        },
        act,
    )


if __name__ == "__main__":
    main()
