# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps a new API key in a vault file; an action, since only there are the vault's passwords."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils.errors import UserError
from ..plugin_utils.vault import text as vault_text
from .vault_secrets import VaultFile


class ActionModule(ActionBase):
    """Looks into the vault file first, and runs the module where it holds no key."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        path = arguments.pop("vault_file", None)
        name = str(arguments.pop("vault_variable", None) or "vault_dokploy_api_key")
        try:
            # Before anything is made: a key that cannot be stored would be lost.
            file = VaultFile(Path(path).expanduser(), self._loader._vault, "") if path else None
            text = file.read() if file else ""
            stored = vault_text.read(text).get(name, "")
            if stored:
                result.update(changed=False, signed_up=False, key=stored, requests={"reads": 0, "writes": 0})
            else:
                if file:
                    file.check_id()
                result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
                if file and result.get("key"):
                    file.write(vault_text.put(text, name, result["key"]))
        except UserError as error:
            raise AnsibleActionFail(f"dokploy_api_key: vault_file: {error}")
        except OSError as error:
            made = "; a key was made but not stored: delete it in Dokploy under Profile" if result.get("key") else ""
            raise AnsibleActionFail(f"dokploy_api_key: vault_file: {path}: {error.strerror}{made}")
        # Hides a result with a key, and lets the message of a failure be seen.
        result["_ansible_no_log"] = bool(result.get("key"))
        return result
