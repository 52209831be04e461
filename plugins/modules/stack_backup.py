#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Back a stack up, prove a backup, check and prune the repository."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_backup
short_description: Dump a stack's databases and copy its volumes, and prove that they come back
version_added: 0.1.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Dumps the databases of a stack, streamed and counted, and then copies its named volumes, apart from those that hold
    a dumped database's own files. SQLite databases in volumes are copied as of one moment.
  - A backup appears whole or not at all, on the server with mode 0600, in a restic repository, or both.
  - A proof restores the newest backup into scratch containers without a network, and counts tables and rows.
extends_documentation_fragment:
  - sluice.deploy.stack
  - sluice.deploy.stack.root
  - sluice.deploy.stack.lock
  - sluice.deploy.keeping
options:
  operation:
    description: >-
      Make a backup, prove one, read the repository, give back the space of what was forgotten, or give the engine the
      images that a backup holds.
    type: str
    choices: [backup, prove, check, prune, images]
    default: backup
  backup:
    description: For V(prove) and V(images), a backup's name or its first characters; the newest by default.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Does nothing.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: none
    description: Each run makes a backup, or a proof.
"""

EXAMPLES = r"""
- name: There is a fresh backup on another machine, too
  sluice.deploy.stack_backup:
    stack: "{{ stack }}"
    secrets: "{{ stack_secrets }}"
    keeping:
      repository: sftp:backup@vault.example.com:/srv/restic
      password: "{{ vault_backup_password }}"

- name: The newest backup comes back
  sluice.deploy.stack_backup:
    operation: prove
    stack: "{{ stack }}"
    secrets: "{{ stack_secrets }}"
"""

RETURN = r"""
backup:
  description: What is on record of the operation, such as the backup's name, its bytes and rows.
  returned: success, except in check mode
  type: dict
  sample: {operation: backup, name: 20260102T030405Z, bytes: 1048576, rows: 5000, places: [local, repository]}
seconds: {description: How long each step took., returned: 'always, after the inputs were accepted', type: dict}
notes: {description: What else is worth knowing., returned: success, type: list, elements: str}
step: {description: The step that failed., returned: when a step failed, type: str}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.release.keeping import OPTIONS, keeping
from ..module_utils.release.module import COMMON_OPTIONS, conduct
from ..module_utils.release.operations import OPERATIONS, perform
from ..module_utils.release.run import Run, Settings
from ..module_utils.release.saved import load
from ..module_utils.stack.parse import parse_stack


def main() -> None:
    """Entry point."""
    options = {
        **COMMON_OPTIONS,
        "operation": {"type": "str", "choices": [*OPERATIONS, "images"], "default": "backup"},
        "backup": {"type": "str", "default": ""},
        "keeping": OPTIONS,
    }
    module = AnsibleModule(options, supports_check_mode=True)
    params = module.params

    def action(run: Run) -> dict[str, Any]:
        changes = params["operation"] in ("backup", "prune", "images")
        if module.check_mode:
            return {"changed": changes}
        if params["operation"] == "images":
            with run.step("images"):
                return {"changed": True, "backup": {"name": load(run, params["backup"])}}
        record = perform(run, params["operation"], params["backup"])
        return {"changed": changes, "backup": record}

    def settings() -> Settings:
        told = params["keeping"]
        return Settings(
            keep_backups=told["keep_local"],
            keep_backup_days=told["keep_local_days"],
            keeping=keeping(told, parse_stack(params["stack"])),
        )

    conduct(module, params["operation"], settings, action)


if __name__ == "__main__":
    main()
