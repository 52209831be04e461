#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore a stack's data."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_restore
short_description: Bring back a stack's databases and volumes from a backup
version_added: 0.1.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Verifies the backup's digests, reads the dumps to their end, restores them into a scratch container first.
  - Only then dumps the present state, stops the app behind the maintenance page, and exchanges the data.
  - A damaged, empty or cut-off backup is refused while everything runs on untouched.
extends_documentation_fragment:
  - sluice.deploy.stack
  - sluice.deploy.stack.root
  - sluice.deploy.stack.lock
  - sluice.deploy.keeping
options:
  backup:
    description:
      - Name of a backup, or its first characters; by default the newest that holds databases and volumes.
      - A dump of the databases alone, as releases and restores make, is restored when it is named.
    type: str
    default: ""
  where:
    description: Where to look for it, on the server, in the repository, or in both.
    type: str
    choices: [any, local, repository]
    default: any
attributes:
  check_mode:
    support: full
    description: Restores nothing.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: none
    description: Each run restores.
"""

EXAMPLES = r"""
- name: The data of the newest backup is back
  sluice.deploy.stack_restore:
    stack: "{{ stack }}"
    secrets: "{{ stack_secrets }}"
    edge_switch: [/usr/local/lib/sluice/edge-switch]
"""

RETURN = r"""
backup:
  description: Name of the backup that was restored.
  returned: success, except in check mode
  type: str
  sample: 20260102T030405Z
seconds: {description: How long each step took., returned: 'always, after the inputs were accepted', type: dict}
notes: {description: What else is worth knowing., returned: success, type: list, elements: str}
step: {description: The step that failed., returned: when a step failed, type: str}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.release.keeping import OPTIONS, keeping
from ..module_utils.release.module import COMMON_OPTIONS, conduct
from ..module_utils.release.restore import restore_from
from ..module_utils.release.run import Run, Settings
from ..module_utils.stack.parse import parse_stack


def main() -> None:
    """Entry point."""
    options = {
        **COMMON_OPTIONS,
        "backup": {"type": "str", "default": ""},
        "where": {"type": "str", "choices": ["any", "local", "repository"], "default": "any"},
        "keeping": OPTIONS,
    }
    module = AnsibleModule(options, supports_check_mode=True)
    params = module.params

    def action(run: Run) -> dict[str, Any]:
        if module.check_mode:
            return {"changed": True}
        return {"changed": True, "backup": restore_from(run, params["backup"], params["where"])}

    def settings() -> Settings:
        return Settings(by=params["by"], keeping=keeping(params["keeping"], parse_stack(params["stack"])))

    conduct(module, "restore", settings, action)


if __name__ == "__main__":
    main()
