#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a command of the app's."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_exec
short_description: Run a command in a service of the release that serves
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Runs a command in a new container of the serving release's image, with its environment, secrets, volumes and
    network, or in a container that runs.
  - The command's words reach the process list of the server; give secrets to the service, not to the command.
extends_documentation_fragment:
  - sluice.deploy.stack.root
  - sluice.deploy.stack.serving
options:
  service:
    description: The service whose image, environment and volumes the command gets.
    type: str
    required: true
  command:
    description: The command, a word each; a text is split as a shell splits it.
    type: raw
    required: true
  where:
    description: In a new container that goes when the command has ended, or in one that runs.
    type: str
    choices: [new, running]
    default: new
  timeout:
    description: Seconds after which the command is ended.
    type: float
    default: 600
attributes:
  check_mode:
    support: full
    description: Runs nothing; a wrong name of a service is told.
  diff_mode:
    support: none
    description: What a command changes is not known.
  idempotent:
    support: none
    description: Each run runs the command.
notes:
  - Needs root, the docker command with Compose, and Python 3.10 or later on the server.
"""

EXAMPLES = r"""
- name: The cache is empty
  sluice.deploy.stack_exec:
    stack: crm
    secrets: "{{ stack_secrets }}"
    service: server
    command: [node, dist/cli.js, cache:flush]
"""

RETURN = r"""
rc:
  description: The command's exit status; 124 where it was ended after O(timeout).
  returned: always, when the command ran
  type: int
stdout:
  description: What it wrote to both streams, the last megabyte, secrets masked.
  returned: always, when the command ran
  type: str
"""

import shlex
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import EngineError, UserError
from ..module_utils.release.console import OPTIONS, Console


def words(command: Any) -> list[str]:
    """A command's words.

    Raises:
        UserError: It is empty, or a quote in it is left open.
    """
    try:
        split = shlex.split(command) if isinstance(command, str) else [str(word) for word in command]
    except (ValueError, TypeError) as error:
        raise UserError(f"command: {error}; write it as a list of words.")
    if not split:
        raise UserError("command: it is empty; name what is to run.")
    return split


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        {
            **OPTIONS,
            "service": {"type": "str", "required": True},
            "command": {"type": "raw", "required": True},
            "where": {"type": "str", "choices": ["new", "running"], "default": "new"},
            "timeout": {"type": "float", "default": 600.0},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        console = Console(params["root"], params["stack"], params["secrets"])
        console.service(params["service"])
        argv = words(params["command"])
        if module.check_mode:
            module.exit_json(changed=True)
        rc, stdout = console.run(params["service"], argv, params["where"], params["timeout"])
    except (UserError, EngineError, PermissionError) as error:
        module.fail_json(msg=str(error))
    if rc:
        module.fail_json(msg=f"The command ended with status {rc}.", changed=True, rc=rc, stdout=stdout)
    module.exit_json(changed=True, rc=rc, stdout=stdout)


if __name__ == "__main__":
    main()
