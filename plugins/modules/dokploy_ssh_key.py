#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: dokploy_ssh_key
short_description: Keep an SSH key on a Dokploy server
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Makes sure that a Dokploy server holds an SSH key of this name, with which it clones repositories, or does not.
  - Where no key is given, the server makes one, once; RV(public_key) is what the repository has to know.
extends_documentation_fragment:
  - sluice.deploy.dokploy
  - sluice.deploy.dokploy.server
  - sluice.deploy.dokploy.state
options:
  name:
    description: Name of the key.
    type: str
    required: true
  description:
    description: What the key is for. Left as it is when not set.
    type: str
  private_key:
    description: >-
      The private key, as C(ssh-keygen) writes it without a passphrase. Dokploy cannot change that of a key which it
      holds.
    type: str
  public_key:
    description: The public key, needed with O(private_key).
    type: str
  type:
    description: Of which kind a key is that the server makes.
    type: str
    choices: [ed25519, rsa]
    default: ed25519
"""

EXAMPLES = r"""
- name: The server has a key for our repositories
  sluice.deploy.dokploy_ssh_key:
    url: https://dokploy.example.com
    api_key: "{{ vault_dokploy_api_key }}"
    name: deploy
  delegate_to: localhost
  register: key
"""

RETURN = r"""
id:
  description: Id of the key; null where there is none.
  returned: success
  type: str
public_key:
  description: The public key; null where the server will make one, and where there is none.
  returned: success
  type: str
requests: {description: Queries and changes sent., returned: always, type: dict, sample: {reads: 1, writes: 0}}
"""

from typing import Any

from ..module_utils.dokploy.arguments import STATE, AnsibleModule, Client, run_module, settle_row
from ..module_utils.dokploy.belongings import SSH_KEY
from ..module_utils.dokploy.rows import Wanted


def act(module: AnsibleModule, client: Client) -> dict[str, Any]:
    params, check, present = module.params, module.check_mode, module.params["state"] == "present"
    client.redact.add(filter(None, [params["private_key"]]))
    fields = {
        "description": params["description"],
        "privateKey": params["private_key"],
        "publicKey": params["public_key"],
    }
    # What the server is to make is not what was asked for: it is sent along, and the diff is as in check mode.
    made: dict[str, Any] = {}

    def rows() -> list[Any]:
        return client.get("sshKey.all") or []

    stored = next((row for row in rows() if row.get("name") == params["name"]), None)
    if present and stored is None and not check:
        if not params["private_key"]:
            answer: Any = client.post("sshKey.generate", timeout=120, type=params["type"])
            made = {name: answer[name] for name in ("privateKey", "publicKey")}
            client.redact.add([made["privateKey"]])
        # Which one is sent does not matter to the server, but that one is.
        made["organizationId"] = (client.get("organization.all") or [{}])[0].get("id", "")
    wanted = Wanted({"name": params["name"]}, fields, made)
    outcome = settle_row(module, client, SSH_KEY, rows, wanted)
    public = params["public_key"] or (stored or made).get("publicKey")
    return {**outcome, "public_key": public if present else None}


def main() -> None:
    run_module(
        {
            "name": {"type": "str", "required": True},
            "description": {"type": "str"},
            "private_key": {"type": "str", "no_log": True},
            "public_key": {"type": "str"},
            "type": {"type": "str", "choices": ["ed25519", "rsa"], "default": "ed25519"},
            **STATE,
        },
        act,
        required_together=[("private_key", "public_key")],
    )


if __name__ == "__main__":
    main()
