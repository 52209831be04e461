#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restart, stop or start a stack."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_service
short_description: Restart a release that serves without a lost request, stop it, or start it again
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Restarted, the same release starts as the other colour, is judged by its gates, and the edge switches to it.
    A worker or a data service that is named alone is stopped and started where it is.
  - Stopped, the edge answers with its maintenance page and no service of the stack runs, also after a reboot.
    Scheduled jobs rest with them.
  - The description is that of the release on the server; what O(stack) says beside its name is not released.
extends_documentation_fragment:
  - sluice.deploy.stack
  - sluice.deploy.stack.root
  - sluice.deploy.stack.lock
options:
  state:
    description: What is to be.
    type: str
    choices: [restarted, stopped, started]
    required: true
  service:
    description:
      - With O(state=restarted), the one service to restart; all that a release replaces by default.
      - A web service restarts together with its release, since only so no request is lost.
    type: str
    default: ""
  data:
    description:
      - With O(state=stopped), whether data services stop as well.
      - Where they run on, a backup that follows holds all that was ever written.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Says what would be done.
  diff_mode:
    support: none
    description: Nothing is rendered.
  idempotent:
    support: partial
    description: O(state=stopped) and O(state=started) are; each run with O(state=restarted) restarts.
seealso:
  - module: sluice.deploy.stack_release
"""

EXAMPLES = r"""
- name: All containers of the release are new ones
  sluice.deploy.stack_service:
    stack: "{{ stack }}"
    secrets: "{{ stack_secrets }}"
    edge_switch: [/usr/local/lib/sluice/edge-switch]
    state: restarted

- name: The worker is restarted
  sluice.deploy.stack_service:
    stack: "{{ stack }}"
    secrets: "{{ stack_secrets }}"
    edge_switch: [/usr/local/lib/sluice/edge-switch]
    state: restarted
    service: worker
"""

RETURN = r"""
actions: {description: 'What was done, or in check mode would be.', returned: success, type: list, elements: str}
release:
  description: Id of the release on record.
  returned: success
  type: str
  sample: 3f9c2a7be01d
colour:
  description: The colour as which it serves, or will when it is started.
  returned: success
  type: str
  sample: green
gates:
  description: Results of the gates on what was restarted.
  returned: success
  type: list
  elements: dict
seconds: {description: How long each step took., returned: 'always, after the inputs were accepted', type: dict}
step: {description: The step that failed., returned: when a step failed, type: str}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.release import byhand
from ..module_utils.release.module import COMMON_OPTIONS, conduct
from ..module_utils.release.run import Run, Settings

_OPERATIONS = {"restarted": "restart", "stopped": "stop", "started": "start"}


def main() -> None:
    """Entry point."""
    options = {
        **COMMON_OPTIONS,
        "state": {"type": "str", "choices": ["restarted", "stopped", "started"], "required": True},
        "service": {"type": "str", "default": ""},
        "data": {"type": "bool", "default": True},
    }
    module = AnsibleModule(options, supports_check_mode=True)
    params = module.params

    def action(run: Run) -> dict[str, Any]:
        if params["state"] == "restarted":
            outcome = byhand.restart(run, params["service"], module.check_mode)
        elif params["state"] == "stopped":
            outcome = byhand.stop(run, module.check_mode, params["data"])
        else:
            outcome = byhand.start(run, module.check_mode)
        return {**vars(outcome), "gates": run.gates}

    conduct(module, _OPERATIONS[params["state"]], lambda: Settings(by=params["by"]), action)


if __name__ == "__main__":
    main()
