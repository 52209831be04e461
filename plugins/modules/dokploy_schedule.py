#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dokploy_schedule
short_description: Run a command in a Compose service at times
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Makes sure that a Dokploy server runs a command in a container of a Compose service at times, as cron does, or does
    not.
extends_documentation_fragment:
  - sluice.deploy.dokploy
  - sluice.deploy.dokploy.server
  - sluice.deploy.dokploy.service
  - sluice.deploy.dokploy.state
options:
  name:
    description: Name of the schedule.
    type: str
    required: true
  service:
    description: Service of the Compose file. Needed with O(state=present), like O(command) and O(schedule).
    type: str
  command:
    description: What is run, by the shell.
    type: str
  schedule:
    description: When, in the form of cron.
    type: str
  timezone:
    description: Name of the time zone of O(schedule), such as V(Europe/Berlin). UTC when not set.
    type: str
  shell:
    description: The shell.
    type: str
    choices: [bash, sh]
    default: sh
  enabled:
    description: Whether it is run.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Sessions that have ended are cleared each hour
  sluice.deploy.dokploy_schedule:
    url: https://dokploy.example.com
    api_key: "{{ vault_dokploy_api_key }}"
    compose_id: "{{ service.compose_id }}"
    name: clear sessions
    service: server
    command: node dist/clear-sessions.js
    schedule: "0 * * * *"
  delegate_to: localhost
"""

RETURN = r"""
id:
  description: Id of the schedule; null where there is none.
  returned: success
  type: str
requests: {description: Queries and changes sent., returned: always, type: dict, sample: {reads: 1, writes: 0}}
"""

from typing import Any

from ..module_utils.dokploy.arguments import SERVICE, STATE, AnsibleModule, Client, run_module, settle_row
from ..module_utils.dokploy.belongings import SCHEDULE, need
from ..module_utils.dokploy.rows import Wanted


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params, compose_id = module.params, module.params["compose_id"]
    if not module.check_mode:
        need(compose_id)

    def rows() -> list[Any]:
        return client.get("schedule.list", id=compose_id, scheduleType="compose") if compose_id else []

    wanted = Wanted(
        {"name": params["name"]},
        {
            "serviceName": params["service"],
            "command": params["command"],
            "cronExpression": params["schedule"],
            "timezone": params["timezone"],
            "shellType": params["shell"],
            "enabled": params["enabled"],
        },
        {"scheduleType": "compose", "composeId": compose_id},
    )
    return settle_row(module, client, SCHEDULE, rows, wanted)


def main() -> None:
    run_module(
        {
            **SERVICE,
            "name": {"type": "str", "required": True},
            "service": {"type": "str"},
            "command": {"type": "str"},
            "schedule": {"type": "str"},
            "timezone": {"type": "str"},
            "shell": {"type": "str", "choices": ["bash", "sh"], "default": "sh"},
            "enabled": {"type": "bool", "default": True},
            **STATE,
        },
        act,
        required_if=[("state", "present", ("service", "command", "schedule"))],
    )


if __name__ == "__main__":
    main()
