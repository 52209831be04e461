# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a server or a service has beside Compose file, variables and domains: each kind with its procedures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import UserError
from .client import Client
from .rows import Kind, Row, find_row
from .services import read_service

SSH_KEY = Kind(
    "SSH key", "sshKeyId", "sshKey.create", "sshKey.update", "sshKey.remove",
    hidden=frozenset({"privateKey"}), fixed=frozenset({"privateKey", "publicKey"}),
)  # fmt: skip
REGISTRY = Kind(
    "registry", "registryId", "registry.create", "registry.update", "registry.remove",
    hidden=frozenset({"password"}), trial="registry.testRegistry",
)  # fmt: skip
DESTINATION = Kind(
    "destination", "destinationId", "destination.create", "destination.update", "destination.remove",
    hidden=frozenset({"secretAccessKey"}), whole=True,
)  # fmt: skip
SCHEDULE = Kind("schedule", "scheduleId", "schedule.create", "schedule.update", "schedule.delete", whole=True)
MOUNT = Kind("file mount", "mountId", "mounts.create", "mounts.update", "mounts.remove", hidden=frozenset({"content"}))
DATABASE_BACKUP = Kind(
    "database backup", "backupId", "backup.create", "backup.update", "backup.remove",
    hidden=frozenset({"metadata"}), whole=True,
)  # fmt: skip
VOLUME_BACKUP = Kind(
    "volume backup", "volumeBackupId", "volumeBackups.create", "volumeBackups.update", "volumeBackups.delete",
    whole=True,
)  # fmt: skip
# What a notification may tell of, by the names of the module's events.
EVENTS = {
    "deployed": "appDeploy",
    "failed": "appBuildError",
    "database_backup": "databaseBackup",
    "volume_backup": "volumeBackup",
    "dokploy_backup": "dokployBackup",
    "restarted": "dokployRestart",
    "cleaned": "dockerCleanup",
    "threshold": "serverThreshold",
}


def notification(channel: str) -> Kind:
    """The kind of notifications through a channel such as `slack`; each has procedures of its own.

    An update without any of the channel's own fields fails.
    """
    name = channel.capitalize()
    hidden = frozenset({"webhookUrl", "botToken", "password", "endpoint", "headers"})
    create, update = f"notification.create{name}", f"notification.update{name}"
    return Kind(
        f"{channel} notification", "notificationId", create, update, "notification.remove", hidden=hidden, whole=True
    )


def notifications(client: Client) -> list[Row]:
    """All of them, each with its channel's own fields beside the others."""
    rows = client.get("notification.all") or []
    return [{**(row.get(str(row.get("notificationType"))) or {}), **row} for row in rows]


def of_service(client: Client, compose_id: str | None, *, check: bool, field: str) -> Callable[[], list[Row]]:
    """Asks for rows that `compose.one` lists; in check mode a service that does not exist yet has none."""
    if not compose_id and check:
        return lambda: []
    return lambda: list(read_service(client, need(compose_id)).get(field) or [])


def need(compose_id: str | None) -> str:
    """The id of a service.

    Raises:
        UserError: It is empty.
    """
    if not compose_id:
        raise UserError("compose_id is empty; it is what dokploy_compose returns")
    return compose_id


def destination_id(client: Client, name: str, *, check: bool) -> str | None:
    """The id of a destination by its name.

    Raises:
        UserError: There is none, outside check mode.
    """
    row = find_row(client.get("destination.all") or [], DESTINATION, {"name": name})
    if row is None and not check:
        raise UserError(f"there is no destination {name!r} on this server; make it with dokploy_destination first")
    return str(row["destinationId"]) if row else None


def web_server_changes(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Procedures and what they are sent, so that the server's settings become as wanted; None leaves one as it is.

    Address and e-mail are one request, which replaces all of them.
    """
    differs = {name for name, value in wanted.items() if value is not None and stored.get(name) != value}
    calls: list[tuple[str, dict[str, Any]]] = []
    if "enableDockerCleanup" in differs:
        calls.append(("settings.updateDockerCleanup", {"enableDockerCleanup": wanted["enableDockerCleanup"]}))
    address = ("host", "letsEncryptEmail", "https", "certificateType")
    if differs & set(address):
        fields = {name: stored.get(name) if wanted.get(name) is None else wanted[name] for name in address}
        calls.append(("settings.assignDomainServer", {**fields, "host": fields["host"] or ""}))
    if "buildsConcurrency" in differs:
        calls.append(("settings.updateBuildsConcurrency", {"buildsConcurrency": wanted["buildsConcurrency"]}))
    return calls
