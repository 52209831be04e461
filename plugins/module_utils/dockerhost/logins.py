# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logins and authorities of registries: the settings, checked, and Docker's configuration that leads to them."""

from __future__ import annotations

import json
import re
import shlex
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..docker.logins import HUB, key_of
from ..errors import UserError, nearest

# Docker appends it to `docker-credential-`.
HELPER = "sluice"
CERTIFICATES = Path("/etc/docker/certs.d")
_KEYS = ("username", "password", "password_command", "ca")
_LOGIN = ("username", "password", "password_command")
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")
_SETTING = "docker_host_registries"


def checked(registries: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By registry, its `username` with `password` or `password_command`, a list of words, its `ca`, or both.

    Raises:
        UserError: An entry is wrong; none of its values is in the message.
    """
    return {str(host): _entry(str(host), told) for host, told in registries.items()}


def _entry(host: str, told: Any) -> dict[str, Any]:
    where = f"{_SETTING}.{host}"
    if not _HOST.fullmatch(host):
        raise UserError(f"{where}: this is no registry's name; write it as in an image's, such as ghcr.io or {HUB}")
    if not isinstance(told, Mapping):
        raise UserError(f"{where}: expected username with password or password_command")
    given = {str(key): value for key, value in told.items() if value not in (None, "", [])}
    for key in given:
        if key not in _KEYS:
            raise UserError(f"{where}: unknown key {key!r}{nearest(key, _KEYS)}")
    authority = {"ca": _authority(given["ca"], host, f"{where}.ca")} if "ca" in given else {}
    if authority and not any(key in given for key in _LOGIN):
        return authority
    if "username" not in given or ("password" in given) == ("password_command" in given):
        raise UserError(f"{where}: give it username, and one of password and password_command")
    entry: dict[str, Any] = {"username": str(given["username"]), **authority}
    if ":" in entry["username"]:
        raise UserError(f"{where}.username: it holds a colon, which ends a user's name")
    if "password" in given:
        return {**entry, "password": str(given["password"])}
    return {**entry, "password_command": _words(given["password_command"], f"{where}.password_command")}


def _authority(text: Any, host: str, where: str) -> str:
    if host == HUB:
        # Docker looks for authorities of all registries but this one.
        raise UserError(f"{where}: Docker Hub's certificate is checked against the system's authorities alone")
    if "PRIVATE KEY" in str(text):
        raise UserError(f"{where}: it holds a private key, which has no place on this server; give certificates alone")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=str(text))
    except (ssl.SSLError, ValueError):
        raise UserError(f"{where}: it is neither certificates in PEM form nor a file of the controller that holds some")
    return str(text).strip() + "\n"


def _words(command: Any, where: str) -> list[str]:
    try:
        return shlex.split(command) if isinstance(command, str) else [str(word) for word in command]
    except (ValueError, TypeError):
        raise UserError(f"{where}: it cannot be split into words; write it as a list of words")


def authorities(text: str | None) -> dict[str, str]:
    """By registry, the certificates that the text of a file of logins names; none where it cannot be read."""
    try:
        return {host: told["ca"] for host, told in json.loads(text or "{}").items() if "ca" in told}
    except (ValueError, TypeError, AttributeError):
        return {}


def configured(text: str, path: Path, registries: Iterable[str]) -> str:
    """Docker's configuration in which these registries ask our helper, and no others do; all else is kept.

    Raises:
        UserError: What is there is no configuration.
    """
    try:
        config = json.loads(text) if text.strip() else {}
        helpers = dict(config.get("credHelpers") or {})
    except (ValueError, AttributeError, TypeError):
        raise UserError(f"{path} is no configuration of Docker's; mend it or move it away, nothing was changed")
    kept = {host: helper for host, helper in helpers.items() if helper != HELPER}
    wanted = {**kept, **{key_of(host): HELPER for host in registries}}
    if wanted == helpers:
        return text
    config = {**config, "credHelpers": wanted}
    if not wanted:
        del config["credHelpers"]
    return json.dumps(config, indent=1, sort_keys=True) + "\n"
