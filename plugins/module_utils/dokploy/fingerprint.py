# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remembers on the server what was last deployed: Dokploy has no flag that says "changed since"."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from .environment import parse_environment

# Where what served is remembered, in a file of the service's own; no part of what is deployed.
RECORD_FILE = "sluice/served.json"
_MARK = re.compile(r"\s*\[deployed ([0-9a-f]{24})\]\s*$")

# What a deployment is made of; anything else of a service may change without one.
_SERVICE_FIELDS = (
    "sourceType", "composeType", "command", "createEnvFile", "randomize", "suffix", "isolatedDeployment",
    "isolatedDeploymentsVolume", "serviceNetworks",
)  # fmt: skip
SOURCE_FIELDS = {
    "raw": ("composeFile",),
    "git": ("customGitUrl", "customGitBranch", "customGitSSHKeyId", "composePath", "enableSubmodules"),
}
_DOMAIN_FIELDS = (
    "host", "path", "internalPath", "serviceName", "port", "https", "certificateType", "customCertResolver",
    "customEntrypoint", "stripPath", "middlewares", "enabled",
)  # fmt: skip
_MOUNT_FIELDS = ("type", "mountPath", "hostPath", "volumeName", "filePath", "content")


def fingerprint(compose: Mapping[str, Any]) -> str:
    """A digest of everything in `compose.one` that a deployment depends on."""
    kind = str(compose.get("sourceType"))
    environment = compose.get("environment") or {}
    content: dict[str, Any] = {
        "service": _pick(compose, _SERVICE_FIELDS),
        "source": _pick(compose, SOURCE_FIELDS.get(kind, ())),
        "env": sorted(parse_environment(compose.get("env")).items()),
        "shared": [
            sorted(parse_environment(level.get("env")).items())
            for level in (environment, environment.get("project") or {})
        ],
        "domains": _rows(compose.get("domains"), _DOMAIN_FIELDS),
        "mounts": _rows(
            [row for row in compose.get("mounts") or [] if row.get("filePath") != RECORD_FILE], _MOUNT_FIELDS
        ),
    }
    # The service's own id as salt: equal secrets on two services are not to be seen as equal.
    content["salt"] = compose.get("composeId")
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def _pick(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: row.get(name) for name in names}


def _rows(rows: Any, names: tuple[str, ...]) -> list[str]:
    return sorted(json.dumps(_pick(row, names), sort_keys=True) for row in rows or [])


def split_description(text: str | None) -> tuple[str, str]:
    """A service's description and the mark of its last deployment; the mark is empty where there is none."""
    match = _MARK.search(text or "")
    return ((text or "")[: match.start()], match.group(1)) if match else (text or "", "")


def join_description(text: str, mark: str) -> str:
    """A description that carries a mark."""
    return f"{text} [deployed {mark}]".strip() if mark else text
