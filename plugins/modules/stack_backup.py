#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Back a stack up."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_backup
short_description: Dump a stack's databases and archive its volumes
version_added: 0.1.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Dumps the databases of services with V(backup), streamed and compressed, and reads each dump to its end.
  - Archives the named volumes, apart from those that hold a dumped database's own files.
  - A backup appears whole or not at all, with mode 0600 and the digests of its files.
extends_documentation_fragment:
  - sluice.deploy.stack
options:
  keep:
    description: Newest backups that are kept whatever their age.
    type: int
    default: 7
  keep_days:
    description: Days for which further backups are kept.
    type: float
    default: 30
attributes:
  check_mode:
    support: full
    description: Makes no backup.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: none
    description: Each run makes a backup.
"""

EXAMPLES = r"""
- name: There is a fresh backup
  sluice.deploy.stack_backup:
    stack: "{{ stack }}"
    secrets: "{{ stack_secrets }}"
"""

RETURN = r"""
path:
  description: Directory of the new backup on the server.
  returned: success, except in check mode
  type: str
  sample: /var/lib/sluice/stacks/crm/backups/20260102T030405Z
seconds:
  description: How long each step took.
  returned: success
  type: dict
notes:
  description: What else is worth knowing.
  returned: success
  type: list
  elements: str
step:
  description: The step that failed.
  returned: when a step failed
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.release.backup import back_up
from ..module_utils.release.module import COMMON_OPTIONS, conduct
from ..module_utils.release.run import Run, Settings


def main() -> None:
    """Entry point."""
    options = {
        **COMMON_OPTIONS,
        "keep": {"type": "int", "default": 7},
        "keep_days": {"type": "float", "default": 30.0},
    }
    module = AnsibleModule(options, supports_check_mode=True)
    params = module.params

    def action(run: Run) -> dict[str, Any]:
        if module.check_mode:
            return {"changed": True}
        with run.step("backup"):
            return {"changed": True, "path": str(back_up(run))}

    conduct(
        module,
        "backup",
        lambda: Settings(keep_backups=params["keep"], keep_backup_days=params["keep_days"]),
        action,
    )


if __name__ == "__main__":
    main()
