# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that every module around releases takes."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
options:
  stack:
    description:
      - The stack description, with the keys V(name), V(domain), V(domain_aliases), V(services), V(routes),
        V(strategy), V(engine), V(drain), V(keep_warm), V(hooks), V(jobs); the README describes each.
      - An unknown key is an error that names the nearest known one.
    type: dict
    required: true
  secrets:
    description:
      - The values of the secrets that services name.
      - One that is missing, blank or a placeholder is an error before anything changes.
    type: dict
    default: {}
  edge_switch:
    description:
      - Command on the server that switches the edge, called with V(status) or V(to) and the stack's name.
      - Empty for a stack that no edge stands before.
    type: list
    elements: str
    default: []
  by:
    description: Who asked for it, for the record.
    type: str
    default: ""
notes:
  - Needs root, the docker command with Compose and buildx, and Python 3.10 or later on the server.
  - All modules of the group C(group/sluice.deploy.stack) take these options from module_defaults.
"""

    # What only has to find a stack on its server.
    ROOT = r"""
options:
  root:
    description: Directory on the server that holds a directory for each stack.
    type: path
    default: /var/lib/sluice/stacks
"""

    # What changes one.
    LOCK = r"""
options:
  lock_wait:
    description: Seconds to wait for another change of the same stack to end.
    type: float
    default: 600
"""

    # What looks into one that serves.
    SERVING = r"""
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  secrets:
    description: The values of the stack's secrets, which are masked in what is shown.
    type: dict
    default: {}
"""
