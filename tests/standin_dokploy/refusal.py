# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Errors as the server tells them, and the rules of its validation that a client may meet."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_BAD_HOST = (
    "Invalid domain name. Use only letters, numbers, hyphens and dots (e.g. example.com). Underscores are not allowed."
)
_KEYS = {
    "privateKey": r"-----BEGIN (RSA|OPENSSH) PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END \1 PRIVATE KEY-----\s*",
    "publicKey": r"ssh-(rsa|ed25519)\s+[A-Za-z0-9+/=]+\s*.*\s*",
}
_NOT_STRINGS = {"smtpPort": "number", "port": "number", "toAddresses": "array", "buildsConcurrency": "number",
                "enableDockerCleanup": "boolean", "metadata": "object", "deleteVolumes": "boolean"}  # fmt: skip


class RefusedError(Exception):
    """An error answer."""

    def __init__(self, status: int, code: str, message: str, issues: list[Row] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.issues = issues or []


def failed_query(message: str = "") -> RefusedError:
    """What an id that leads nowhere comes to in some procedures: the database's own statement."""
    return RefusedError(400, "BAD_REQUEST", f'{message}Failed query: insert into "table" values ($1)\nparams: x')


def _no_blank(value: Any) -> str:
    return "Too small: expected string to have >=1 characters" if value == "" else ""


def _tail(value: Any) -> str:
    return "Too big: expected number to be <=10000" if int(value) > 10_000 else ""


def _key(name: str, said: str) -> Callable[[Any], str]:
    return lambda value: "" if re.fullmatch(_KEYS[name], str(value)) else said


_APP_NAME = "App name can only contain letters, numbers, dots, underscores and hyphens"
# A field's rule gives a message, or an empty text.
RULES: dict[str, dict[str, Callable[[Any], str]]] = {
    "project.create": {"name": _no_blank},
    "environment.create": {"name": _no_blank},
    "compose.create": {
        "name": _no_blank,
        "appName": lambda value: "" if re.fullmatch(r"[a-zA-Z0-9._-]+", value) else _APP_NAME,
    },
    "domain.create": {
        "host": lambda value: "" if _HOST.fullmatch(value) else _BAD_HOST,
        "port": lambda value: "Port must be at least 1" if value < 1 else "",
    },
    "user.createApiKey": {"name": lambda value: "Name must be at most 32 characters" if len(value) > 32 else ""},
    "deployment.readLogs": {"tail": _tail},
    "compose.readLogs": {
        "tail": _tail,
        "containerId": lambda value: "" if re.fullmatch(r"[a-zA-Z0-9._-]+", value) else "Invalid container id.",
    },
    "sshKey.create": {
        "privateKey": _key("privateKey", "Invalid private key format"),
        "publicKey": _key("publicKey", "Invalid public key format"),
    },
}


def validate(procedure: str, required: tuple[str, ...], values: Row) -> None:
    """Refuse what the server's validation refuses.

    Raises:
        RefusedError: With an issue for each field.
    """
    issues = []
    for name in required:
        if name not in values:
            expected = "nonoptional" if name == "imagePrefix" else _NOT_STRINGS.get(name, "string")
            issues.append(_issue([name], f"Invalid input: expected {expected}, received undefined"))
    for name, rule in RULES.get(procedure, {}).items():
        said = rule(values[name]) if values.get(name) is not None else ""
        if said:
            issues.append(_issue([name], said))
    if procedure == "user.createApiKey" and "organizationId" not in (values.get("metadata") or {}):
        said = "Invalid input: expected string, received undefined"
        issues.append(_issue(["metadata", "organizationId"], said))
    if issues:
        raise RefusedError(400, "BAD_REQUEST", "Input validation failed", issues)


def _issue(path: list[str], message: str) -> Row:
    return {"path": path, "message": message}


def body(procedure: str, error: RefusedError) -> Row:
    """The whole body of an error."""
    zod: Row | None = None
    if error.issues:
        fields: dict[str, list[str]] = {}
        for issue in error.issues:
            fields.setdefault(issue["path"][0], []).append(issue["message"])
        zod = {"fieldErrors": fields, "formErrors": []}
    data = {"code": error.code, "httpStatus": error.status, "path": procedure, "zodError": zod}
    if not procedure:
        del data["path"]
    told = {"message": str(error), "code": error.code, "data": data}
    return {**told, "issues": error.issues} if error.issues else told
