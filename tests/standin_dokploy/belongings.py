# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys, registries, destinations, backups, schedules, notifications and file mounts, each as the server answers."""

from __future__ import annotations

from typing import Any

from .refusal import RefusedError
from .store import EMPTY, Store, new_id, now, words

Row = dict[str, Any]

_OWNERS = ("applicationId", "composeId", "libsqlId", "mariadbId", "mongoId", "mysqlId", "postgresId", "redisId")
_KINDS = tuple(name.removesuffix("Id") for name in _OWNERS if name != "composeId")
CHANNELS = ("custom", "discord", "email", "gotify", "lark", "mattermost", "ntfy", "pushover", "resend", "slack",
            "teams", "telegram")  # fmt: skip
EVENTS = ("appDeploy", "appBuildError", "databaseBackup", "volumeBackup", "dokployBackup", "dokployRestart",
          "dockerCleanup", "serverThreshold")  # fmt: skip
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nZ2VuZXJhdGVk\n-----END OPENSSH PRIVATE KEY-----\n"
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGenerated dokploy"


class Belongings:
    """A part of the procedures."""

    _store: Store

    def _row(self, table: str, key: str, kind: str) -> Row:
        rows = self._store.tables[table]
        if key not in rows:
            raise RefusedError(404, "NOT_FOUND", f"{kind} not found")
        return rows[key]

    def _all(self, table: str) -> list[Row]:
        """Newest first."""
        return list(self._store.tables[table].values())[::-1]

    def _add(self, table: str, id_key: str, row: Row) -> Row:
        row[id_key] = new_id()
        self._store.tables[table][row[id_key]] = row
        return row

    # SSH keys

    def sshKey_all(self, _values: Row) -> list[Row]:  # noqa: N802
        return self._all("ssh_keys")

    def sshKey_create(self, values: Row) -> Any:  # noqa: N802
        row = {"description": None, **values, "createdAt": now(), "lastUsedAt": None}
        self._add("ssh_keys", "sshKeyId", {**row, "organizationId": self._store.organization})
        return EMPTY

    def sshKey_generate(self, _values: Row) -> Row:  # noqa: N802
        return {"privateKey": PRIVATE, "publicKey": PUBLIC}

    def sshKey_update(self, values: Row) -> Row:  # noqa: N802
        row = self._row("ssh_keys", values["sshKeyId"], "SSH Key")
        row.update({key: value for key, value in values.items() if key in ("name", "description", "lastUsedAt")})
        return row

    def sshKey_remove(self, values: Row) -> Row:  # noqa: N802
        row = self._row("ssh_keys", values["sshKeyId"], "SSH Key")
        for compose in self._store.composes.values():
            if compose["customGitSSHKeyId"] == row["sshKeyId"]:
                compose["customGitSSHKeyId"] = None
        return self._store.tables["ssh_keys"].pop(row["sshKeyId"])

    # Other servers

    def server_of(self, compose: Row, *keys: str) -> Row | None:
        """The one that a service is on; None is Dokploy's own."""
        row = self._store.tables["servers"].get(compose["serverId"])
        return {key: row[key] for key in keys or row} if row else None

    def server_all(self, _values: Row) -> list[Row]:
        services = list(self._store.composes.values())
        return [
            {**row, "totalSum": sum(one["serverId"] == row["serverId"] for one in services)}
            for row in self._all("servers")
        ]

    def server_create(self, values: Row) -> Row:
        row = {
            "enableDockerCleanup": True, **values, "appName": f"server-{words()}", "buildsConcurrency": 1,
            "createdAt": now(), "organizationId": self._store.organization, "serverStatus": "active", "command": "",
            "metricsConfig": {},
        }  # fmt: skip
        return self._add("servers", "serverId", row)

    def server_remove(self, values: Row) -> Row:
        row = self._row("servers", values["serverId"], "Server")
        if any(compose["serverId"] == row["serverId"] for compose in self._store.composes.values()):
            raise RefusedError(400, "BAD_REQUEST", "Server has active services, please delete them first")
        key = {**self._store.tables["ssh_keys"][row["sshKeyId"]], "privateKey": ""}
        return {**self._store.tables["servers"].pop(row["serverId"]), "deployments": [], "sshKey": key}

    # Registries

    def _log_in(self, values: Row) -> None:
        """The password is taken out of the command that failed, the command is not."""
        url = str(values.get("registryUrl"))
        if ":1" in url:
            raise RefusedError(
                400, "BAD_REQUEST",
                f"Command execution failed: Command failed: printf %s '***' | docker login '{url}'\n"
                f'Error response from daemon: Get "http://{url}/v2/": dial tcp {url}: connect: connection refused\n',
            )  # fmt: skip

    def registry_all(self, _values: Row) -> list[Row]:
        return list(self._store.tables["registries"].values())

    def registry_create(self, values: Row) -> Row:
        self._log_in(values)
        row = {**values, "createdAt": now(), "organizationId": self._store.organization}
        return self._add("registries", "registryId", row)

    def registry_update(self, values: Row) -> bool:
        row = self._row("registries", values["registryId"], "Registry")
        row.update(values)
        self._log_in(row)
        return True

    def registry_testRegistry(self, values: Row) -> bool:  # noqa: N802
        try:
            self._log_in(values)
        except RefusedError as error:
            said = str(error).split("\n", 1)[1]
            raise RefusedError(400, "BAD_REQUEST", f"Command failed with code 1. Stderr: {said}") from error
        return True

    def registry_remove(self, values: Row) -> Row:
        row = self._row("registries", values["registryId"], "Registry")
        return self._store.tables["registries"].pop(row["registryId"])

    # Destinations and backups

    def destination_all(self, _values: Row) -> list[Row]:
        return self._all("destinations")

    def destination_create(self, values: Row) -> Row:
        row = {**values, "createdAt": now(), "organizationId": self._store.organization}
        return self._add("destinations", "destinationId", row)

    def destination_update(self, values: Row) -> Row:
        row = self._row("destinations", values["destinationId"], "Destination")
        row.update(values)
        return row

    def destination_remove(self, values: Row) -> Row:
        row = self._row("destinations", values["destinationId"], "Destination")
        for table in ("backups", "volume_backups"):
            rows = self._store.tables[table]
            for key in [key for key, other in rows.items() if other["destinationId"] == row["destinationId"]]:
                del rows[key]
        return self._store.tables["destinations"].pop(row["destinationId"])

    def backup_create(self, values: Row) -> Any:
        nulls = dict.fromkeys(("libsqlId", "mariadbId", "mongoId", "mysqlId", "postgresId", "userId", "metadata"))
        row = {**nulls, "includeEncryptionKey": True, **values, "appName": f"backup-{words()}"}
        self._add("backups", "backupId", row)
        return EMPTY

    def backup_update(self, values: Row) -> Any:
        self._row("backups", values["backupId"], "Backup").update(values)
        return EMPTY

    def backup_remove(self, values: Row) -> Row:
        row = self._row("backups", values["backupId"], "Backup")
        return self._store.tables["backups"].pop(row["backupId"])

    def backups_of(self, compose_id: str) -> list[Row]:
        """As `compose.one` has them: without the destination's keys."""
        shown = []
        for row in self._store.tables["backups"].values():
            if row["composeId"] == compose_id:
                bucket = self._store.tables["destinations"][row["destinationId"]]
                bucket = {k: v for k, v in bucket.items() if k not in ("accessKey", "secretAccessKey")}
                shown.append({**row, "deployments": [], "destination": bucket})
        return shown

    def volumeBackups_list(self, values: Row) -> list[Row]:  # noqa: N802
        rows = [row for row in self._all("volume_backups") if row["composeId"] == values["id"]]
        return [{**row, **dict.fromkeys(_KINDS), "compose": self._short(row, "appName", "serverId")} for row in rows]

    def volumeBackups_create(self, values: Row) -> Row:  # noqa: N802
        row = {
            **dict.fromkeys(_OWNERS), "serviceName": None, "keepLatestCount": None, "enabled": None, "turnOff": False,
            **values, "createdAt": now(), "appName": f"volumeBackup-{words()}",
        }  # fmt: skip
        return self._add("volume_backups", "volumeBackupId", row)

    def volumeBackups_update(self, values: Row) -> Row:  # noqa: N802
        row = self._row("volume_backups", values["volumeBackupId"], "Volume backup")
        row.update(values)
        return row

    def volumeBackups_delete(self, values: Row) -> Any:  # noqa: N802
        row = self._row("volume_backups", values["volumeBackupId"], "Volume backup")
        del self._store.tables["volume_backups"][row["volumeBackupId"]]
        return EMPTY

    def _short(self, row: Row, *names: str) -> Row:
        compose = self._store.composes[row["composeId"]]
        return {name: compose[name] for name in ("composeId", *names)}

    # Schedules

    def schedule_list(self, values: Row) -> list[Row]:
        rows = [row for row in self._store.tables["schedules"].values() if row["composeId"] == values["id"]]
        more: Row = {"application": None, "server": None, "deployments": []}
        return [{**row, **more, "compose": self._short(row, "appName", "name", "serverId")} for row in rows]

    def schedule_create(self, values: Row) -> Row:
        nulls = dict.fromkeys(
            ("applicationId", "composeId", "description", "organizationId", "script", "serverId", "serviceName",
             "timezone")
        )  # fmt: skip
        row = {**nulls, "enabled": True, "shellType": "bash", **values, "createdAt": now()}
        return self._add("schedules", "scheduleId", {**row, "appName": f"schedule-{words()}"})

    def schedule_update(self, values: Row) -> Row:
        row = self._row("schedules", values["scheduleId"], "Schedule")
        row.update(values)
        return row

    def schedule_delete(self, values: Row) -> bool:
        row = self._row("schedules", values["scheduleId"], "Schedule")
        del self._store.tables["schedules"][row["scheduleId"]]
        return True

    # Notifications

    def notification_all(self, _values: Row) -> list[Row]:
        channels = self._store.tables["channels"]
        return [
            {**row, **{channel: channels.get(row[f"{channel}Id"]) for channel in CHANNELS}}
            for row in self._all("notifications")
        ]

    def create_notification(self, channel: str, values: Row) -> Any:
        """Two rows: events are one's, the rest is the other's."""
        events = {name: values.get(name, False) for name in EVENTS}
        own = {name: value for name, value in values.items() if name not in (*EVENTS, "name")}
        made = self._add("channels", f"{channel}Id", own)
        row = {
            **dict.fromkeys(f"{name}Id" for name in CHANNELS), **events, "name": values["name"], "createdAt": now(),
            "notificationType": channel, "organizationId": self._store.organization,
            f"{channel}Id": made[f"{channel}Id"],
        }  # fmt: skip
        self._add("notifications", "notificationId", row)
        return EMPTY

    def update_notification(self, channel: str, values: Row) -> Any:
        """Both rows, told by both ids."""
        row = self._row("notifications", values["notificationId"], "Notification")
        made = self._row("channels", values[f"{channel}Id"], "Notification")
        if not set(values) - {*EVENTS, "name", "notificationId", f"{channel}Id"}:
            raise RefusedError(500, "INTERNAL_SERVER_ERROR", "No values to set")
        for name, value in values.items():
            (row if name in (*EVENTS, "name") else made)[name] = value
        made.pop("notificationId", None)
        return EMPTY

    def notification_remove(self, values: Row) -> Row:
        row = self._row("notifications", values["notificationId"], "Notification")
        return self._store.tables["notifications"].pop(row["notificationId"])

    # File mounts

    def mounts_create(self, values: Row) -> Row:
        given = {name: value for name, value in values.items() if name != "serviceId"}
        row = {
            **dict.fromkeys(_OWNERS), "hostPath": None, "volumeName": None, **given, "composeId": values["serviceId"],
        }  # fmt: skip
        return self._add("mounts", "mountId", row)

    def mounts_update(self, values: Row) -> Row:
        """Answers what was there before."""
        row = self._row("mounts", values["mountId"], "Mount")
        compose = self._short(row, "appName", "serverId")
        del compose["composeId"]
        compose["environment"] = {"project": {"organizationId": self._store.organization}}
        before = {**row, **dict.fromkeys(_KINDS), "compose": compose}
        row.update(values)
        return before

    def mounts_remove(self, values: Row) -> Row:
        row = self._row("mounts", values["mountId"], "Mount")
        return self._store.tables["mounts"].pop(row["mountId"])

    def mounts_of(self, compose_id: str) -> list[Row]:
        """As `compose.one` has them."""
        return [row for row in self._store.tables["mounts"].values() if row["composeId"] == compose_id]

    # The server

    def settings_updateDockerCleanup(self, values: Row) -> bool:  # noqa: N802
        self._store.settings["enableDockerCleanup"] = values["enableDockerCleanup"]
        return True

    def settings_updateBuildsConcurrency(self, values: Row) -> bool:  # noqa: N802
        self._store.settings["buildsConcurrency"] = values["buildsConcurrency"]
        return True

    def settings_assignDomainServer(self, values: Row) -> Row:  # noqa: N802
        self._store.settings.update(values)
        return self._store.settings
