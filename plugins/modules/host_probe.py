#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: host_probe
short_description: Check a deployment on its host
version_added: 0.1.0
description:
  - Reads containers, release record, renewal timer, disk, backups and the upkeep of the host in one call, and judges
    each.
  - Works on deployments that something else made; what only this collection writes is then skipped.
  - A failed check is a result and does not fail the task; M(sluice.deploy.verify_report) fails by all results.
author:
  - The sluice.deploy maintainers (@sluice)
extends_documentation_fragment:
  - sluice.deploy.reading
options:
  stack:
    description: Name of the stack, or of the Compose project where something else deployed it.
    type: str
    required: true
  services:
    description:
      - What the stack consists of, as in the stack description. Of each service C(port), C(stateful) and C(max_size)
        are read, and further keys are left alone.
    type: dict
    default: {}
  projects:
    description: Further Compose projects whose containers must be healthy, such as the edge's.
    type: list
    elements: str
    default: []
  root:
    description: Where release records lie.
    type: path
    default: /var/lib/sluice/stacks
  edge_switch:
    description: The command that tells which release the edge serves; not asked when empty.
    type: list
    elements: str
    default: []
  max_restarts:
    description: Restarts of a container that are still no warning.
    type: int
    default: 0
  max_image_size:
    description: Limit for images whose service has no C(max_size); none when empty.
    type: str
    default: ""
  min_disk:
    description: Space that must be free on the root and the engine's file systems.
    type: str
    default: 2GB
  renewal_timer:
    description: The systemd timer that renews certificates; not looked at when empty.
    type: str
    default: ""
  backup_max_age:
    description: Age from which the newest backup is a warning, such as V(36h) or V(7d); not looked at when empty.
    type: str
    default: ""
  max_image_age:
    description:
      - Age from which an image that runs is a warning, such as V(90d); not looked at when empty. Images that do not
        tell when they were made are named.
    type: str
    default: ""
    version_added: 0.2.0
  backup_proof_max_age:
    description: Age from which the newest proof that a backup comes back is a warning; not looked at when empty.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: The stack is well on its host
  sluice.deploy.host_probe:
    stack: crm
    services: "{{ stack_services }}"
    renewal_timer: sluice-edge-certificates.timer
    backup_max_age: 7d
  register: host
"""

RETURN = r"""
results: {description: 'One for each check, in the form of all gates.', returned: success, type: list, elements: dict}
status: {description: The gravest status among the results., returned: success, type: str}
images:
  description: The images that the stack's own services run, as M(sluice.deploy.image_size_gate) takes them.
  returned: success
  type: list
  elements: dict
containers:
  description: >-
    Names of the containers that belong to the stack and the further projects; of a swarm the ids of the tasks.
  returned: success
  type: list
  elements: str
scheduled:
  description: Whether a timer on the host runs these checks, as M(sluice.deploy.verify_timer) installs it.
  returned: success
  type: bool
build_logs:
  description: Build logs of the release that serves.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.hostprobe.answer import answer
from ..module_utils.hostprobe.look import ARGUMENT_SPEC
from ..module_utils.results import conclude


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    conclude(module, answer(module.params))


if __name__ == "__main__":
    main()
