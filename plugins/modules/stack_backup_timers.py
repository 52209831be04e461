#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Timers for a stack's backups."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_backup_timers
short_description: Have a server back a stack up by itself
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Installs systemd timers, the command that they call, and the settings that it reads, which root alone can read.
  - Timers of the stack that the schedule does not name are removed.
extends_documentation_fragment:
  - sluice.deploy.stack
  - sluice.deploy.stack.root
  - sluice.deploy.stack.lock
  - sluice.deploy.keeping
options:
  schedule:
    description:
      - By operation, V(backup), V(prove), V(check) or V(prune), when it runs, in systemd's form of calendar events.
      - What is left out or blank does not run.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Installs nothing.
  diff_mode:
    support: none
    description: The settings hold the repository's password.
  idempotent:
    support: full
    description: Files that are as they should be are left alone.
"""

EXAMPLES = r"""
- name: The server backs itself up
  sluice.deploy.stack_backup_timers:
    stack: "{{ stack }}"
    schedule: {backup: "03:00", prove: "Sun 05:00", check: "Sat 05:00", prune: monthly}
    keeping:
      repository: sftp:backup@vault.example.com:/srv/restic
      password: "{{ vault_backup_password }}"
"""

RETURN = r"""
timers:
  description: The timers that are installed.
  returned: success
  type: list
  elements: str
  sample: [sluice-backup-crm.timer]
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import one_message
from ..module_utils.release.keeping import OPTIONS, keeping
from ..module_utils.release.module import COMMON_OPTIONS
from ..module_utils.release.timers import backup_units, planned
from ..module_utils.stack.parse import parse_stack
from ..module_utils.units import install


def main() -> None:
    """Entry point."""
    options = {**COMMON_OPTIONS, "schedule": {"type": "dict", "default": {}}, "keeping": OPTIONS}
    module = AnsibleModule(options, supports_check_mode=True)
    params = module.params
    with one_message(module):
        stack = parse_stack(params["stack"])
        keeping(params["keeping"], stack)
        told = {key: params[key] for key in ("stack", "root", "lock_wait", "keeping")}
        files = planned(stack.name, told, params["schedule"], Path(params["root"]))
        changed = install(files, backup_units(stack.name), module.check_mode)
    module.exit_json(changed=changed, timers=sorted(path.name for path in files if path.suffix == ".timer"))


if __name__ == "__main__":
    main()
