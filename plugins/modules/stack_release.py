#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Release a stack."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_release
short_description: Release a stack of Compose services without dropping a request
version_added: 0.1.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Pulls or builds the images, starts the new release beside the one that serves, waits until it is healthy,
    judges it by the gates, lets the edge switch, drains and stops the old one, which stays as the way back.
  - A failure at any step leaves the old release serving, or brings it back.
  - A run that was interrupted at any point is finished or undone by the next.
  - The same inputs give the same release id, and nothing to do.
extends_documentation_fragment:
  - sluice.deploy.stack
  - sluice.deploy.stack.root
  - sluice.deploy.stack.lock
options:
  edge_network:
    description: Docker network that web services share with the edge; empty for none.
    type: str
    default: sluice-edge
  gates:
    description:
      - Level of each gate, V(fail), V(warn) or V(off); V(fail) by default.
      - The gates are V(disk), V(memory), V(dockerfile), V(image_size), V(image_secrets), V(smoke), V(log_patterns)
        and V(log_secrets).
    type: dict
    default: {}
  keep_releases:
    description: Releases to keep on the server, the running one and its way back included.
    type: int
    default: 5
  minimum_free:
    description: Space that must be free where the engine keeps its data, and where the stack's directory lies.
    type: str
    default: 1GB
  dump_before_migration:
    description: Dump the databases before the pre-release hook runs.
    type: bool
    default: true
  keep_backups:
    description: Newest backups that are kept whatever their age.
    type: int
    default: 7
  keep_backup_days:
    description: Days for which further backups are kept.
    type: float
    default: 30
  data_secrets_rotated:
    description:
      - Accept a new value of a stateful service's secret; it was changed inside the service already.
      - The password of a PostgreSQL service's own role or of a MariaDB or MySQL service's own user needs no such word,
        the release changes it in the database.
    type: bool
    default: false
  hadolint:
    description: Hadolint's command on the server; where it is missing, the gate says so.
    type: str
    default: hadolint
  commit:
    description: The commit of the inventory that the release comes from, for the record.
    type: str
    default: ""
  adopts:
    description:
      - A Compose project that C(docker compose up) started, and whose place a first release takes.
      - Its data services stop, and start as the stack's on the same volumes. All else of it runs on, to be stopped
        when requests are led to the release.
    type: str
    default: ""
notes:
  - While it runs, a step that takes longer than ten seconds is shown with its time, as the server notes it in
    C(/run/sluice).
attributes:
  check_mode:
    support: full
    description: Says what would be done and changes nothing.
  diff_mode:
    support: full
    description: Shows the Compose file's difference, which holds no secrets.
  idempotent:
    support: full
    description: A second run with the same inputs changes nothing.
"""

EXAMPLES = r"""
- name: The stack serves as described
  sluice.deploy.stack_release:
    stack:
      name: crm
      domain: crm.example.com
      services:
        server:
          image: registry.example.com/crm:1.4.2
          port: 3000
          health: {path: /healthz}
          secrets: [APP_SECRET]
      routes:
        - {path: /, service: server}
    secrets: "{{ stack_secrets }}"
    edge_switch: [/usr/local/lib/sluice/edge-switch]
"""

RETURN = r"""
release:
  description: Id of the release that serves; empty in check mode when it is not known yet.
  returned: success
  type: str
  sample: 3f9c2a7be01d
colour: {description: The colour as which it serves., returned: success, type: str, sample: green}
before: {description: Id of the release that served before; empty for none., returned: success, type: str}
actions: {description: 'What was done, or in check mode would be.', returned: success, type: list, elements: str}
gates:
  description: Results of the gates, in the collection's one form.
  returned: success, and when a step failed after a gate was judged
  type: list
  elements: dict
seconds: {description: How long each step took., returned: 'always, after the inputs were accepted', type: dict}
notes: {description: What else is worth knowing., returned: success, type: list, elements: str}
backup_timers:
  description: The timers by which the server backs the stack up, of M(sluice.deploy.stack_backup_timers).
  returned: success
  type: list
  elements: str
  sample: [sluice-backup-crm.timer]
step: {description: The step that failed., returned: when a step failed, type: str}
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.release import release as releases
from ..module_utils.release.module import (
    COMMON_OPTIONS,
    conduct,
    gate_levels,
)
from ..module_utils.release.plan import plan
from ..module_utils.release.run import Run, Settings
from ..module_utils.release.timers import backup_units, job_files, planned_jobs
from ..module_utils.sizes import parse_size
from ..module_utils.units import install

OPTIONS: dict[str, dict[str, Any]] = {
    **COMMON_OPTIONS,
    "edge_network": {"type": "str", "default": "sluice-edge"},
    "gates": {"type": "dict", "default": {}},
    "keep_releases": {"type": "int", "default": 5},
    "minimum_free": {"type": "str", "default": "1GB"},
    "dump_before_migration": {"type": "bool", "default": True},
    "keep_backups": {"type": "int", "default": 7},
    "keep_backup_days": {"type": "float", "default": 30.0},
    "data_secrets_rotated": {"type": "bool", "default": False},
    "hadolint": {"type": "str", "default": "hadolint"},
    "commit": {"type": "str", "default": ""},
    "adopts": {"type": "str", "default": ""},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(OPTIONS, supports_check_mode=True)
    params = module.params

    def settings() -> Settings:
        taken = ("edge_network", "keep_releases", "dump_before_migration", "keep_backups", "keep_backup_days")
        further = ("data_secrets_rotated", "hadolint", "commit", "by", "adopts")
        return Settings(
            minimum_free=parse_size(params["minimum_free"], "compose_stack_minimum_free"),
            levels=gate_levels(params["gates"]),
            **{key: params[key] for key in taken + further},
        )

    def action(run: Run) -> dict[str, Any]:
        # What is wrong with a schedule is told before anything changes.
        root = Path(params["root"])
        planned = planned_jobs(run.stack, root)
        outcome = plan(run) if module.check_mode else releases.release(run)
        timers = [path.name for path in backup_units(run.stack.name) if path.suffix == ".timer" and path.exists()]
        result = {**vars(outcome), "gates": run.gates, "backup_timers": timers}
        if install(planned, job_files(run.stack.name, root), module.check_mode):
            told = ", ".join(f"{name} ({job.schedule})" for name, job in run.stack.jobs.items())
            result |= {"changed": True, "actions": [*outcome.actions, f"Scheduled jobs: {told or 'none any more'}."]}
        return result

    conduct(module, "release", settings, action)


if __name__ == "__main__":
    main()
