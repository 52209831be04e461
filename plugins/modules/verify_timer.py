#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that checks its stack by the clock."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify_timer
short_description: Have a host check a stack by the clock
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - A systemd timer runs the checks of M(sluice.deploy.host_probe) on the host itself. Who is told of it, and when it
    changes alone, is M(sluice.deploy.host_notify)'s.
options:
  schedule:
    description: When, as systemd's C(OnCalendar) has it, such as V(*:0/15); there is no timer when it is blank.
    type: str
    default: ""
  textfile:
    description:
      - A directory from which Prometheus's node exporter reads, such as V(/var/lib/prometheus/node-exporter). Each run
        writes C(sluice_STACK.prom) there; nothing when it is blank.
    type: str
    default: ""
  wishes:
    description: Options of M(sluice.deploy.host_probe).
    type: dict
    required: true
attributes:
  check_mode:
    support: full
    description: Installs nothing.
  diff_mode:
    support: none
    description: There is little to show.
  idempotent:
    support: full
    description: Files that are as they should be are left alone.
"""

EXAMPLES = r"""
- name: The host checks its stack
  sluice.deploy.verify_timer:
    schedule: "*:0/15"
    wishes:
      stack: crm
      services: "{{ stack_services }}"
"""

RETURN = r"""
timer:
  description: The timer that is installed; empty for none.
  returned: success
  type: str
  sample: sluice-verify-crm.timer
"""

import json
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils import units
from ..module_utils.application import application
from ..module_utils.errors import UserError, one_message

# Ansible ships to the server what a module imports: the command must be among it.
from ..module_utils.hostprobe import clock
from ..module_utils.hostprobe.host import settings_file
from ..module_utils.hostprobe.look import ARGUMENT_SPEC


def settings_of(wishes: dict[str, Any], textfile: str) -> dict[str, Any]:
    """What the command reads.

    Raises:
        UserError: An option of the checks is wrong, or the directory is not there.
    """
    checked = ArgumentSpecValidator(ARGUMENT_SPEC).validate(wishes)
    if checked.error_messages:
        raise UserError(f"wishes: {'; '.join(checked.error_messages)}")
    if textfile and not Path(textfile).is_dir():
        raise UserError(f"verify_textfile: {textfile} is no directory; install the node exporter, or leave it blank")
    told = dict(checked.validated_parameters)
    told.pop("max_image_size")
    return {"wishes": told, "textfile": textfile}


def planned(schedule: str, settings: dict[str, Any], stack: str) -> dict[Path, units.File]:
    """The files that the timer needs; none without a schedule.

    Raises:
        UserError: systemd does not know the schedule.
    """
    if not schedule:
        return {}
    known = units.known_schedule(schedule, "verify_schedule")
    command, place = units.LIBRARY / "verify", settings_file(stack)
    return {
        command: (application(clock.__name__.rpartition(".module_utils.")[2], command), 0o755),
        place: (json.dumps(settings, indent=1, sort_keys=True).encode(), 0o600),
        **units.timer(f"sluice-verify-{stack}", f"Checks of the stack {stack}", known, f"{command} {place}"),
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        {
            "schedule": {"type": "str", "default": ""},
            "textfile": {"type": "str", "default": ""},
            "wishes": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    with one_message(module):
        settings = settings_of(params["wishes"], params["textfile"])
        stack = settings["wishes"]["stack"]
        files = planned(params["schedule"], settings, stack)
        # What the figures of this run are written to is no leftover.
        kept = clock.figures_file(params["textfile"], stack) if params["schedule"] and params["textfile"] else None
        changed = units.install(files, [path for path in clock.former(stack) if path != kept], module.check_mode)
    module.exit_json(changed=changed, timer=next((path.name for path in files if path.suffix == ".timer"), ""))


if __name__ == "__main__":
    main()
