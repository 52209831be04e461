#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a stack's logs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_logs
short_description: Show what the services of the serving release log, secrets masked
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Prints the newest lines of the services' logs on the terminal, in the order of their times.
  - Logs must lie where C(docker logs) reads them; another log driver is told.
extends_documentation_fragment:
  - sluice.deploy.reading
  - sluice.deploy.stack.root
  - sluice.deploy.stack.serving
options:
  services:
    description: Whose logs; all services of the stack by default.
    type: list
    elements: str
    default: []
  since:
    description: Only what is newer, such as V(10m), V(2h) or V(2026-01-02T03:04:05Z).
    type: str
    default: ""
  grep:
    description: A regular expression that lines must match; what is masked cannot be looked for.
    type: str
    default: ""
  lines:
    description: How many lines at the most.
    type: int
    default: 200
  follow:
    description: Go on printing what is logged, for so many seconds; V(0) prints once.
    type: float
    default: 0
notes:
  - Needs root, the docker command, and Python 3.10 or later on the server.
"""

EXAMPLES = r"""
- name: What went wrong in the last ten minutes
  sluice.deploy.stack_logs:
    stack: crm
    secrets: "{{ stack_secrets }}"
    services: [server, worker]
    since: 10m
    grep: "(?i)error"
"""

RETURN = r"""
lines:
  description: The lines, oldest first, with C(at), C(service) and C(text).
  returned: success
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import EngineError, UserError
from ..module_utils.release.console import OPTIONS, Console


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        {
            **OPTIONS,
            "services": {"type": "list", "elements": "str", "default": []},
            "since": {"type": "str", "default": ""},
            "grep": {"type": "str", "default": ""},
            "lines": {"type": "int", "default": 200},
            "follow": {"type": "float", "default": 0.0},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        console = Console(params["root"], params["stack"], params["secrets"])
        found = console.logs(params["services"], params["since"], params["grep"], params["lines"])
    except (UserError, EngineError, PermissionError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, lines=[vars(line) for line in found])


if __name__ == "__main__":
    main()
