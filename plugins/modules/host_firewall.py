#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: host_firewall
short_description: Let in only listed ports, to the host and to published container ports alike
version_added: 0.1.0
description:
  - Writes an nftables table of its own and loads it in one transaction. Docker publishes ports past ufw and past the
    input chain; this table has hooks on input and forward, for IPv4 and IPv6, and holds whatever rules the engine
    writes and with whichever backend.
  - Ports on which sshd listens are always let in, and connections that exist go on.
  - A table that was flushed or changed by hand is loaded anew.
author:
  - The sluice.deploy maintainers (@sluice)
attributes:
  check_mode:
    description: The ruleset is validated where nft is installed, and shown.
    support: full
  diff_mode:
    description: Shows the script before and after.
    support: full
options:
  allow:
    description: >-
      Ports to let in: V(80), V(443/udp), V(8000-8010/tcp), or a dictionary with C(port) and C(from), a list of
      networks. An IP protocol without ports is let in to the host by a dictionary with C(protocol), a name such as
      V(vrrp) or a number, and C(from).
    type: list
    elements: raw
    default: []
  published:
    description: >-
      Ports of the edge, as C(nginx_certbot_ports) has them: let in from the networks of their C(allow), unless O(allow)
      says something else of them.
    type: list
    elements: dict
    default: []
  ssh_ports:
    description: TCP ports of sshd; those that it listens on when empty.
    type: list
    elements: int
    default: []
  trusted_interfaces:
    description: Network devices whose traffic passes, such as V(wg0).
    type: list
    elements: str
    default: []
  path:
    description: The script, which a unit loads at boot.
    type: path
    default: /etc/sluice/firewall.nft
  state:
    description: Whether the table is there.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Only SSH and the web are open
  sluice.deploy.host_firewall:
    allow:
      - 80
      - 443
      - {port: 9100, from: [10.0.0.0/8]}
"""

RETURN = r"""
ssh_ports:
  description: The ports kept open for SSH.
  returned: state is present
  type: list
  elements: int
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.dockerhost import firewall, ruleset
from ..module_utils.errors import UserError, one_message
from ..module_utils.files import write_whole


def load(path: Path, script: str) -> None:
    """Check the script, put it in place, load it."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_whole(path, script, 0o644, check=check)
    done = ruleset.nft("--file", str(path))
    if done.returncode != 0:
        raise UserError(f"{path}: nft could not load the ruleset: {done.stderr.strip()}")


def check(path: Path) -> None:
    done = ruleset.nft("--check", "--file", str(path))
    if done.returncode != 0:
        raise UserError(f"{ruleset.ALLOW}: nft refuses the ruleset, nothing was changed: {done.stderr.strip()}")


def ensure_present(module: AnsibleModule, path: Path, before: str) -> dict:
    script, ssh_ports = ruleset.wanted(module.params)
    if not ruleset.installed() and not module.check_mode:
        raise UserError("nft is missing: install the package nftables")
    changed = not ruleset.stands(module.params)
    if changed and not module.check_mode:
        load(path, script)
    return {"changed": changed, "ssh_ports": ssh_ports, "diff": diff(path, before, script)}


def ensure_absent(module: AnsibleModule, path: Path, before: str) -> dict:
    changed = not ruleset.stands(module.params)
    if not module.check_mode:
        path.unlink(missing_ok=True)
        if ruleset.loaded():
            ruleset.nft("delete", "table", "inet", firewall.TABLE)
    return {"changed": changed, "diff": diff(path, before, "")}


def diff(path: Path, before: str, after: str) -> dict:
    return {"before_header": str(path), "after_header": str(path), "before": before, "after": after}


def main() -> None:
    module = AnsibleModule(argument_spec=ruleset.ARGUMENT_SPEC, supports_check_mode=True)
    path = Path(module.params["path"])
    ensure = ensure_present if module.params["state"] == "present" else ensure_absent
    with one_message(module):
        module.exit_json(**ensure(module, path, path.read_text(encoding="utf-8") if path.exists() else ""))


if __name__ == "__main__":
    main()
