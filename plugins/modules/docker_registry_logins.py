#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logins at registries, and whose certificates they have."""

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_registry_logins
short_description: Give a server its logins at registries
version_added: 0.2.0
author:
  - The sluice.deploy maintainers (@sluice)
description:
  - Whatever root does with Docker on the server, pulls and builds alike, uses the logins.
  - They lie in C(/etc/sluice/registry-logins.json), which root alone can read. Docker's C(config.json) of root names
    a credential helper for each of these registries, and keeps what else is in it.
  - The authority of a registry's certificate lies where Docker looks for it, in C(/etc/docker/certs.d).
  - A registry that is no longer named loses its login and its authority.
options:
  registries:
    description:
      - By registry as in an image's name, such as V(ghcr.io), V(registry.example.com:5000) or V(docker.io), a
        C(username) with C(password) or with C(password_command), a C(ca), or both.
      - The command runs as root each time that Docker needs the login, and prints a password; for tokens that expire.
        Its words are no place for a secret.
      - C(ca) is what the registry's certificate is checked against besides the system's authorities, PEM. A mirror
        or a registry that asks for no login may have it alone.
    type: dict
    required: true
  path:
    description: Docker's configuration.
    type: path
    default: /root/.docker/config.json
attributes:
  check_mode:
    support: full
    description: Runs no command, writes nothing.
  diff_mode:
    support: full
    description: Shows who logs in where, and a digest of each authority; a password that changed is not shown.
  idempotent:
    support: full
    description: Logins that are there are left alone.
"""

EXAMPLES = r"""
- name: The server may pull
  sluice.deploy.docker_registry_logins:
    registries:
      ghcr.io: {username: crm, password: "{{ vault_ghcr_token }}"}
      1234.dkr.ecr.eu-west-1.amazonaws.com:
        username: AWS
        password_command: [aws, ecr, get-login-password, --region, eu-west-1]
      registry.example.com:5000:
        username: crm
        password: "{{ vault_registry_password }}"
        ca: "{{ lookup('ansible.builtin.file', 'registry-ca.crt') }}"
"""

RETURN = r"""
registries:
  description: The registries that the server has a login or an authority for.
  returned: success
  type: list
  elements: str
  sample: [ghcr.io]
"""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.application import application
from ..module_utils.dockerhost import credential, logins
from ..module_utils.errors import one_message
from ..module_utils.files import differing, write_whole

HELPER = Path(f"/usr/local/bin/docker-credential-{logins.HELPER}")


def shown(text: str) -> str:
    """Who logs in where, without passwords."""
    try:
        known = json.loads(text or "{}")
        return "".join(f"{host}: {_entry(told)}\n" for host, told in sorted(known.items()))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "cannot be read\n"


def _entry(told: dict[str, Any]) -> str:
    authority = [f"ca sha256:{hashlib.sha256(told['ca'].encode()).hexdigest()[:16]}"] if "ca" in told else []
    return ", ".join(([told["username"]] if "username" in told or not authority else []) + authority)


def apply(module: AnsibleModule) -> dict[str, Any]:
    # A user's name is no secret, and as short as a part of any word.
    told = [entry for entry in module.params["registries"].values() if isinstance(entry, dict)]
    secret = {str(entry.get("password")) for entry in told}
    module.no_log_values -= {str(entry.get("username")) for entry in told} - secret
    registries = logins.checked(module.params["registries"])
    config = Path(module.params["path"])
    before = config.read_text(encoding="utf-8") if config.exists() else ""
    after = logins.configured(before, config, [host for host, entry in registries.items() if "username" in entry])
    text = json.dumps(registries, indent=1, sort_keys=True) + "\n" if registries else None
    helper = application("dockerhost.credential", HELPER) if registries else None
    wanted: dict[Path, tuple[bytes | None, int]] = {
        HELPER: (helper, 0o755),
        credential.LOGINS: (text.encode() if text else None, 0o600),
    }
    if after != before or (registries and config.exists()):
        wanted[config] = (after.encode(), 0o600)
    former = credential.LOGINS.read_text(encoding="utf-8") if credential.LOGINS.exists() else ""
    # Authorities that nobody noted here were put by somebody else.
    for host, content in {**dict.fromkeys(logins.authorities(former)), **logins.authorities(text)}.items():
        wanted[logins.CERTIFICATES / host / "ca.crt"] = (content.encode() if content else None, 0o644)
    changes = differing(wanted)
    if changes and not module.check_mode:
        for host, entry in registries.items():
            # One that does not work is told here, and not by a pull that is refused.
            if "username" in entry:
                credential.password_of(host, entry)
        # A registry whose login went asks no helper that is gone.
        for path, (content, mode) in sorted(changes.items(), key=lambda item: (item[1][0] is None, item[0] == config)):
            if content is None:
                path.unlink()
                if path.parent.parent == logins.CERTIFICATES:
                    with contextlib.suppress(OSError):
                        path.parent.rmdir()
            else:
                path.parent.mkdir(mode=0o755 if path != config else 0o700, parents=True, exist_ok=True)
                write_whole(path, content, mode)
    header = str(credential.LOGINS)
    return {
        "changed": bool(changes),
        "registries": sorted(registries),
        "diff": {
            "before_header": header,
            "after_header": header,
            "before": shown(former),
            "after": shown(text or ""),
        },
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        {
            "registries": {"type": "dict", "required": True, "no_log": True},
            "path": {"type": "path", "default": "/root/.docker/config.json"},
        },
        supports_check_mode=True,
    )
    with one_message(module):
        result = apply(module)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
