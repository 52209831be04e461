#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove a stack."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_remove
short_description: Remove a stack from its server
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Removes a stack's containers, networks, kept images and files. Nothing is left that is not data.
  - Volumes and backups stay, until they are asked for by the stack's name.
  - The stack must be off the edge before; the nginx_certbot role takes it off with C(nginx_certbot_state=absent).
  - A removal that was interrupted is completed by the next run.
extends_documentation_fragment:
  - sluice.deploy.stack.root
  - sluice.deploy.stack.lock
options:
  name:
    description: The stack's name.
    type: str
    required: true
  remove_data:
    description: The stack's name once more, to remove its volumes and backups as well; empty keeps them.
    type: str
    default: ""
  edge_switch:
    description: Command on the server that switches the edge; empty for a stack that no edge stands before.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Says what would be removed and changes nothing.
  diff_mode:
    support: none
    description: What goes is listed in RV(removed).
  idempotent:
    support: full
    description: A second run finds nothing.
"""

EXAMPLES = r"""
- name: The stack is gone, its data is not
  sluice.deploy.stack_remove:
    name: crm

- name: The stack is gone with its data
  sluice.deploy.stack_remove:
    name: crm
    remove_data: crm
"""

RETURN = r"""
removed:
  description: What was removed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [container crm-blue-web, network crm]
kept:
  description: Data that stays.
  returned: success
  type: list
  elements: str
  sample: [volume crm_db]
"""

import os
import re
import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import EngineError, UserError, one_message
from ..module_utils.hostprobe.clock import former
from ..module_utils.lock import locked
from ..module_utils.release.edge import CommandEdge, NoEdge
from ..module_utils.release.engines import engine_of_host
from ..module_utils.release.held import held_by_all
from ..module_utils.release.remove import Removed, remove
from ..module_utils.release.swarm import Swarm
from ..module_utils.release.timers import backup_units, job_files
from ..module_utils.stack.directory import StackState
from ..module_utils.stack.model import STACK_NAME
from ..module_utils.units import install


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        {
            "name": {"type": "str", "required": True},
            "remove_data": {"type": "str", "default": ""},
            "root": {"type": "path", "default": "/var/lib/sluice/stacks"},
            "edge_switch": {"type": "list", "elements": "str", "default": []},
            "lock_wait": {"type": "float", "default": 600.0},
        },
        supports_check_mode=True,
    )
    with one_message(module):
        try:
            done = _act(module)
            # What was done for the stack by itself has nothing left to do.
            name, root = module.params["name"], Path(module.params["root"])
            timers = install({}, backup_units(name) + job_files(name, root) + former(name), module.check_mode)
        except EngineError as error:
            raise UserError(f"The removal ended at what the engine said: {error}. Run again to complete it.")
    module.exit_json(changed=bool(done.removed) or timers, removed=done.removed, kept=done.kept)


def _act(module: AnsibleModule) -> Removed:
    params = module.params
    name, data = params["name"], params["remove_data"]
    # It becomes a part of paths and of what the engine is asked for.
    if not re.fullmatch(STACK_NAME, name):
        raise UserError(f"stack_name: {name!r} is no stack's name.")
    if data not in ("", name):
        raise UserError(
            f"compose_stack_remove_data: {data!r} is not the name of the stack; write {name!r} to remove its volumes"
            " and backups, or leave it out to keep them."
        )
    if sys.platform != "linux" or os.geteuid() != 0:
        raise UserError("This needs root on the server: set become: true.")
    state = StackState(params["root"], name)
    edge = CommandEdge(params["edge_switch"], name) if params["edge_switch"] else NoEdge(None)
    engine = engine_of_host()
    if module.check_mode or not (state.directory.is_dir() or isinstance(engine, Swarm)):
        return remove(engine, edge, state, name, bool(data), module.check_mode)
    state.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    wait = params["lock_wait"]
    with locked(state.lock_file, "removal", wait, "compose_stack_lock_wait") as descriptor:
        engine = engine_of_host((descriptor,))
        with held_by_all(engine, state, True, "removal", wait, (descriptor,)) as found:
            done = remove(engine, edge, state, name, bool(data))
            if found.ledger:
                found.ledger.clear(data_stays=bool(done.kept))
            return done


if __name__ == "__main__":
    main()
