# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The logins that Docker's own configuration has for registries, for whoever asks a registry without Docker."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from pathlib import Path
from typing import Any

from .. import commands
from ..errors import UserError

HUB = "docker.io"
_HUB_KEY = "https://index.docker.io/v1/"
_SECONDS = 90


def key_of(registry: str) -> str:
    """The name by which Docker's configuration knows a registry."""
    return _HUB_KEY if registry == HUB else registry


def login_of(registry: str, directory: Path | None = None) -> tuple[str, str] | None:
    """User and password, where there are any.

    Args:
        registry: Its name, such as `ghcr.io` or `docker.io`.
        directory: Docker's configuration; that of the user by default.
    """
    place = directory or Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    config: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        told = json.loads((place / "config.json").read_text(encoding="utf-8"))
        config = told if isinstance(told, dict) else {}
    key = key_of(registry)
    with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
        helper = (config.get("credHelpers") or {}).get(key) or config.get("credsStore")
        user, password = _asked(str(helper), key) if helper else _written(config["auths"][key]["auth"])
        # An identity token stands in the place of a password, and is sent in another way.
        if user and user != "<token>":
            return user, password
    return None


def _written(told: str) -> tuple[str, str]:
    user, _colon, password = base64.b64decode(told, validate=True).decode().partition(":")
    return user, password


def _asked(helper: str, key: str) -> tuple[str, str]:
    try:
        done = commands.run([f"docker-credential-{helper}", "get"], _SECONDS, told=key)
    except UserError:
        return "", ""
    told = json.loads(done.stdout) if done.returncode == 0 else {}
    return str(told.get("Username") or ""), str(told.get("Secret") or "")
