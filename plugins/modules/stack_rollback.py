#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Roll a stack back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_rollback
short_description: Switch a stack back to a release that served before
version_added: 0.1.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Starts the former release from the files and images that the server kept, without any registry,
    and switches to it as M(sluice.deploy.stack_release) does, without dropping a request.
  - The schema of a database stays as it is; use M(sluice.deploy.stack_restore) for the data.
extends_documentation_fragment:
  - sluice.deploy.stack
  - sluice.deploy.stack.root
  - sluice.deploy.stack.lock
options:
  release:
    description: Id of a release, or its first characters; the one before by default.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Says which release would serve.
  diff_mode:
    support: none
    description: Nothing is rendered.
  idempotent:
    support: partial
    description: With a named release, yes; without one, each run goes back to the release before.
"""

EXAMPLES = r"""
- name: The release before serves again
  sluice.deploy.stack_rollback:
    stack: "{{ stack }}"
    secrets: "{{ stack_secrets }}"
    edge_switch: [/usr/local/lib/sluice/edge-switch]

- name: A certain release serves again
  sluice.deploy.stack_rollback:
    stack: "{{ stack }}"
    secrets: "{{ stack_secrets }}"
    edge_switch: [/usr/local/lib/sluice/edge-switch]
    release: 3f9c2a
"""

RETURN = r"""
release:
  description: Id of the release that serves now.
  returned: success
  type: str
  sample: 3f9c2a7be01d
colour: {description: The colour as which it serves., returned: success, type: str, sample: blue}
before: {description: Id of the release that served before; empty for none., returned: success, type: str}
actions: {description: 'What was done, or in check mode would be.', returned: success, type: list, elements: str}
gates:
  description: Results of the gates on the running release.
  returned: success, and when a step failed after a gate was judged
  type: list
  elements: dict
seconds: {description: How long each step took., returned: 'always, after the inputs were accepted', type: dict}
notes: {description: What else is worth knowing., returned: success, type: list, elements: str}
step: {description: The step that failed., returned: when a step failed, type: str}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.release.module import COMMON_OPTIONS, conduct
from ..module_utils.release.rollback import rollback
from ..module_utils.release.run import Run, Settings


def main() -> None:
    """Entry point."""
    module = AnsibleModule({**COMMON_OPTIONS, "release": {"type": "str", "default": ""}}, supports_check_mode=True)

    def action(run: Run) -> dict[str, Any]:
        outcome = rollback(run, module.params["release"], module.check_mode)
        return {**vars(outcome), "gates": run.gates}

    conduct(module, "rollback", lambda: Settings(by=module.params["by"]), action)


if __name__ == "__main__":
    main()
