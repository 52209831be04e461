# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a Compose service takes its Compose file from, and what Dokploy is told about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..errors import UserError


@dataclass(frozen=True)
class GitSource:
    """A repository that Dokploy clones for each deployment."""

    url: str
    branch: str = "main"
    compose_path: str = "./docker-compose.yml"
    ssh_key_id: str | None = None
    submodules: bool = False

    def __post_init__(self) -> None:
        if "://" not in self.url:
            # The short form of ssh: git@host:path
            if "@" not in self.url or ":" not in self.url:
                raise UserError(f"git_url must be an https:// or ssh address, not {self.url!r}")
            scheme = "ssh"
        else:
            parts = urlsplit(self.url)
            scheme = parts.scheme
            if parts.password or (parts.username and scheme != "ssh"):
                raise UserError(
                    "git_url holds credentials, which Dokploy prints into every build log; "
                    "use git_ssh_key_id with an ssh address instead"
                )
        if scheme == "ssh" and not self.ssh_key_id:
            raise UserError("git_url is an ssh address: set git_ssh_key_id to the id of a key that Dokploy holds")
        if scheme not in ("http", "https", "ssh"):
            raise UserError(f"git_url uses {scheme}://, which Dokploy refuses; use https:// or ssh")

    def fields(self) -> dict[str, Any]:
        """As Dokploy names it."""
        return {
            "sourceType": "git",
            "customGitUrl": self.url,
            "customGitBranch": self.branch,
            "customGitSSHKeyId": self.ssh_key_id,
            "composePath": self.compose_path,
            "enableSubmodules": self.submodules,
        }


@dataclass(frozen=True)
class RawSource:
    """A Compose file that Dokploy keeps in its own database."""

    compose_file: str

    def fields(self) -> dict[str, Any]:
        """As Dokploy names it."""
        return {"sourceType": "raw", "composeFile": self.compose_file}


def changes(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The wanted fields that differ from what the server holds."""
    return {name: value for name, value in wanted.items() if current.get(name) != value}


def check_stored(stored: Mapping[str, Any], wanted: Mapping[str, Any], *, what: str) -> None:
    """Compare what was read back with what was written: Dokploy answers 200 either way.

    Raises:
        UserError: Something was not stored.
    """
    missing = sorted(changes(stored, wanted))
    if missing:
        raise UserError(
            f"Dokploy accepted {what} but did not store {', '.join(missing)}; "
            "another change may have come between: run again, then look there"
        )
