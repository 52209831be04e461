#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell what the stacks of a host do."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_info
short_description: Tell what serves on a host, how it fares, and what was done
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Reads the records of the stacks on a host and asks its engine how their containers fare.
  - Takes under two seconds, half of one for the load of the processors.
extends_documentation_fragment:
  - sluice.deploy.reading
  - sluice.deploy.stack.root
options:
  stack:
    description: Name of one stack; all of the host by default.
    type: str
    default: ""
  edge_switch:
    description: Command on the server that tells whom the edge serves; what is not there is not asked.
    type: list
    elements: str
    default: [/usr/local/lib/sluice/edge-switch]
  records:
    description: How many of the newest records of each stack to return.
    type: int
    default: 0
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
notes:
  - Needs root, the docker command, and Python 3.10 or later on the server.
"""

EXAMPLES = r"""
- name: What serves here
  sluice.deploy.stack_info:
  register: here
"""

RETURN = r"""
stacks:
  description:
    - A stack each, with its release, services and records.
    - C(edge_serving) is the colour that the edge serves, empty for its maintenance page, and C(edge_ends) the end of
      its certificate; they are absent where no edge tells.
  returned: success
  type: list
  elements: dict
  sample: [{name: crm, release: 3f9c2a7be01d, colour: green, since: "2026-01-02T03:04:05Z", services: []}]
disk:
  description: Bytes C(free) and C(size) of the file system in which the engine keeps its data.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import UserError
from ..module_utils.hostprobe.status import status


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        {
            "stack": {"type": "str", "default": ""},
            "root": {"type": "path", "default": "/var/lib/sluice/stacks"},
            "edge_switch": {"type": "list", "elements": "str", "default": ["/usr/local/lib/sluice/edge-switch"]},
            "records": {"type": "int", "default": 0},
            "docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        told = status(
            params["root"], params["stack"], params["edge_switch"], max(0, params["records"]), params["docker_host"]
        )
    except UserError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **told)


if __name__ == "__main__":
    main()
