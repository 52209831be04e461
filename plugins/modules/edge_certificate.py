#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: edge_certificate
short_description: Wait until a stack serves its real certificate
version_added: 0.1.0
description:
  - Waits for the certificate that M(sluice.deploy.edge_site) has asked for in the background, and says in plain
    words why there is none. Asks no CA itself.
author:
  - The sluice.deploy maintainers (@sluice)
options:
  stack_name:
    description: Which stack.
    type: str
    required: true
  timeout:
    description: Seconds to wait.
    type: int
    default: 300
  directory:
    description: Where the edge lives on the host.
    type: path
    default: /etc/sluice/edge
attributes:
  check_mode:
    description: Changes nothing in any mode; in check mode it does not wait.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  idempotent:
    description: Only looks.
    support: full
seealso:
  - module: sluice.deploy.edge_site
"""

EXAMPLES = r"""
- name: The real certificate is in place
  sluice.deploy.edge_certificate:
    stack_name: crm
"""

RETURN = r"""
certificate: {description: What the served certificate says., returned: success, type: dict}
"""

import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.edge import attempts
from ..module_utils.edge.host import Host
from ..module_utils.edge.install import summary
from ..module_utils.edge.renewal import wants_issue
from ..module_utils.edge.store import Store
from ..module_utils.edge.switch import certificate
from ..module_utils.errors import UserError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack_name": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 300},
            "directory": {"type": "path", "default": "/etc/sluice/edge"},
        },
        supports_check_mode=True,
    )
    store, name = Store(Path(module.params["directory"])), module.params["stack_name"]
    try:
        warning = "" if module.check_mode else _wait(store, name, module.params["timeout"])
        if warning:
            module.warn(warning)
        module.exit_json(changed=False, certificate=summary(store.files(), name))
    except UserError as error:
        module.fail_json(msg=str(error))


def _wait(store: Store, name: str, timeout: float) -> str:
    """What there is to warn of, once the certificate serves."""
    state = store.state()
    if state is None or name not in state.sites:
        raise UserError(f"stack {name!r} is not on this edge; run the nginx_certbot role for it first.")
    site, host = state.sites[name], Host(state.edge, store.root)
    deadline = time.monotonic() + timeout
    if state.edge.lead:
        while site.certificate.kind == "acme" and certificate(store, name)["self_signed"]:
            if time.monotonic() > deadline:
                raise UserError(
                    f"{name}: the lead {state.edge.lead} brought no certificate within {timeout:g} s; on it see:"
                    " systemctl status sluice-edge-certificates."
                )
            time.sleep(0.5)
        return ""
    # The unit may be done with this stack long before it is done with all.
    again = False
    while pending := wants_issue(site, store.root):
        if not host.obtaining_certificates():
            # One that was about to end when it was told of the stack has not asked for it.
            if again or attempts.load(store.root, name).reason:
                break
            host.obtain_certificates()
            again = True
        if time.monotonic() > deadline:
            raise UserError(f"{name}: no certificate within {timeout:g} s; systemctl status sluice-edge-certificates.")
        time.sleep(0.2)
    past = attempts.load(store.root, name)
    if pending:
        until = past.blocked_until(attempts.now())
        advice = f"The CA is asked again from {until:%Y-%m-%d %H:%M} UTC on" if until else "Run the play to try again"
        why = past.reason or "the CA has not been asked yet"
        raise UserError(f"{name} has no certificate: {why}. A self-signed one keeps serving. {advice}.")
    return f"{name}: {past.reason}; the present certificate keeps serving." if past.reason else ""


if __name__ == "__main__":
    main()
