# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Extends a vault file; an action, since only there are the vault's passwords, however they were given."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.vault import VaultLib, is_encrypted, match_encrypt_secret, parse_vaulttext_envelope
from ansible.plugins.action import ActionBase

from ..module_utils.errors import UserError
from ..module_utils.files import write_whole
from ..plugin_utils.vault.fill import fill, read_forms

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "path": {"type": "path", "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
    "forms": {"type": "dict", "default": {}},
    "rotate": {"type": "list", "elements": "str", "default": []},
    "elsewhere": {"type": "list", "elements": "str", "default": []},
    "values": {"type": "dict", "default": {}, "no_log": True},
    "vault_id": {"type": "str", "default": ""},
}


class VaultFile:
    """A file that is encrypted on disk, and is nowhere else in the clear."""

    def __init__(self, path: Path, vault: VaultLib, vault_id: str) -> None:
        if not vault.secrets:
            raise UserError(
                "there is no vault password: give --vault-password-file, --vault-id or --ask-vault-pass,"
                " or set vault_password_file in ansible.cfg"
            )
        self._path, self._vault, self._id = path, vault, vault_id

    def read(self) -> str:
        if not self._path.exists():
            return ""
        content = self._path.read_bytes()
        if not content.strip():
            return ""
        if not is_encrypted(content):
            raise UserError(f"path: {self._path} is not encrypted; run: ansible-vault encrypt {self._path}")
        # A file keeps the identity that it was made with.
        self._id = self._id or parse_vaulttext_envelope(content)[3]
        try:
            return self._vault.decrypt(content).decode("utf-8")
        except AnsibleError:
            raise UserError(f"path: {self._path} cannot be decrypted with the vault password that was given")

    def check_id(self) -> None:
        """Whether it could be written, as far as the vault's passwords go.

        Raises:
            UserError: The one of its identity was not given.
        """
        if self._id not in ("", "default", *(name for name, _ in self._vault.secrets)):
            raise UserError(
                f"vault_id: there is no password for the vault id {self._id!r}; give --vault-id {self._id}@…"
            )

    def write(self, text: str) -> None:
        """Replace the content; a link stays one, and the permissions stay."""
        self.check_id()
        wanted = self._id if self._id in {name for name, _ in self._vault.secrets} else None
        identity, secret = match_encrypt_secret(self._vault.secrets, encrypt_vault_id=wanted)
        # The default identity is not written down, as ansible-vault does it.
        encrypted = self._vault.encrypt(text, secret, vault_id=None if identity == "default" else identity)
        path = self._path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, encrypted, stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600)


class ActionModule(ActionBase):
    """The action behind M(sluice.deploy.vault_secrets)."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _, params = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        try:
            file = VaultFile(Path(params["path"]), self._loader._vault, params["vault_id"])
            forms = read_forms(params["names"], params["forms"])
            values = {name: str(value) for name, value in params["values"].items()}
            outcome = fill(file.read(), forms, params["rotate"], params["elsewhere"], values)
            if outcome.changed and not self._task.check_mode:
                file.write(outcome.text)
        except UserError as error:
            raise AnsibleActionFail(f"vault_secrets: {error}")
        except OSError as error:
            raise AnsibleActionFail(f"vault_secrets: {params['path']}: {error.strerror}")
        result.update(changed=outcome.changed, added=outcome.added, rotated=outcome.rotated, notes=outcome.notes)
        return result
