# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The procedures of the API, each as the real one answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from .belongings import CHANNELS, Belongings
from .convert import ConversionError, convert
from .deployer import Deployer
from .refusal import RefusedError, failed_query, validate
from .store import EMPTY, OTHER_SERVICES, Store, now

Row = dict[str, Any]
VERSION = "v0.30.2"

# Procedure to what it needs; the conformance test holds this against the real server's own description.
QUERIES: dict[str, tuple[str, ...]] = {
    "compose.getConvertedCompose": ("composeId",),
    "compose.loadServices": ("composeId",),
    "compose.one": ("composeId",),
    "compose.readLogs": ("composeId", "containerId"),
    "deployment.allByCompose": ("composeId",),
    "deployment.queueList": (),
    "deployment.readLogs": ("deploymentId",),
    "docker.getConfig": ("containerId",),
    "docker.getContainersByAppNameMatch": ("appName",),
    "dockerImage.getImageConfig": ("imageRef",),
    "domain.byComposeId": ("composeId",),
    "destination.all": (),
    "environment.one": ("environmentId",),
    "notification.all": (),
    "organization.all": (),
    "project.all": (),
    "registry.all": (),
    "server.all": (),
    "schedule.list": ("id", "scheduleType"),
    "sshKey.all": (),
    "volumeBackups.list": ("id", "volumeBackupType"),
    "settings.getDokployVersion": (),
    "settings.getWebServerSettings": (),
}
_BUCKET = ("name", "provider", "accessKey", "bucket", "region", "endpoint", "secretAccessKey", "additionalFlags")
_DUMP = ("schedule", "prefix", "destinationId", "database", "databaseType")
_VOLUME = ("name", "volumeName", "prefix", "cronExpression", "destinationId")
_JOB = ("name", "cronExpression", "command")
_TOLD = ("appBuildError", "databaseBackup", "dokployBackup", "volumeBackup", "dokployRestart", "name", "appDeploy",
         "dockerCleanup", "serverThreshold")  # fmt: skip
MUTATIONS: dict[str, tuple[str, ...]] = {
    "backup.create": _DUMP,
    "backup.remove": ("backupId",),
    "backup.update": (*_DUMP, "enabled", "backupId", "keepLatestCount", "serviceName", "metadata"),
    "compose.create": ("name", "environmentId"),
    "compose.delete": ("composeId", "deleteVolumes"),
    "compose.deploy": ("composeId",),
    "compose.saveEnvironment": ("composeId", "env"),
    "compose.stop": ("composeId",),
    "compose.update": ("composeId",),
    "destination.create": _BUCKET,
    "destination.remove": ("destinationId",),
    "destination.update": (*_BUCKET, "destinationId"),
    "domain.create": ("host",),
    "domain.delete": ("domainId",),
    "domain.update": ("host", "domainId"),
    "environment.create": ("name", "projectId"),
    "environment.remove": ("environmentId",),
    "environment.update": ("environmentId",),
    "mounts.create": ("type", "mountPath", "serviceId"),
    "mounts.remove": ("mountId",),
    "mounts.update": ("mountId",),
    "notification.createCustom": ("name", "endpoint"),
    "notification.createDiscord": (*_TOLD, "webhookUrl", "decoration"),
    "notification.createEmail": (
        *_TOLD, "smtpServer", "smtpPort", "username", "password", "fromAddress", "toAddresses",
    ),
    "notification.createSlack": (*_TOLD, "webhookUrl", "channel"),
    "notification.createTelegram": (*_TOLD, "botToken", "chatId", "messageThreadId"),
    "notification.remove": ("notificationId",),
    **{f"notification.update{n.capitalize()}": ("notificationId", f"{n}Id")
       for n in ("custom", "discord", "email", "slack", "telegram")},
    "project.create": ("name",),
    "project.remove": ("projectId",),
    "project.update": ("projectId",),
    "registry.create": ("registryName", "username", "password", "registryUrl", "registryType", "imagePrefix"),
    "registry.remove": ("registryId",),
    "registry.testRegistry": ("username", "password", "registryUrl", "registryType"),
    "registry.update": ("registryId",),
    "schedule.create": _JOB,
    "schedule.delete": ("scheduleId",),
    "schedule.update": (*_JOB, "scheduleId"),
    "server.create": ("name", "description", "ipAddress", "port", "username", "sshKeyId", "serverType"),
    "server.remove": ("serverId",),
    "settings.assignDomainServer": ("host", "certificateType"),
    "settings.updateBuildsConcurrency": ("buildsConcurrency",),
    "settings.updateDockerCleanup": ("enableDockerCleanup",),
    "sshKey.create": ("name", "privateKey", "publicKey", "organizationId"),
    "sshKey.generate": (),
    "sshKey.remove": ("sshKeyId",),
    "sshKey.update": ("sshKeyId",),
    "user.createApiKey": ("name", "metadata"),
    "volumeBackups.create": _VOLUME,
    "volumeBackups.delete": ("volumeBackupId",),
    "volumeBackups.update": (*_VOLUME, "volumeBackupId"),
}  # fmt: skip
BOOLEANS = frozenset({
    "https", "stripPath", "enabled", "forwardAuthEnabled", "autoDeploy", "createEnvFile", "enableSubmodules",
    "deleteVolumes", "randomize", "isolatedDeployment", "rateLimitEnabled", "enableDockerCleanup", "turnOff",
})  # fmt: skip


class Procedures(Belongings):
    """Carries calls out on the store."""

    def __init__(self, store: Store, deployer: Deployer) -> None:
        self._store = store
        self._deployer = deployer

    def call(self, procedure: str, values: Row) -> Any:
        """The answer's data, or EMPTY for an answer without a body."""
        validate(procedure, {**QUERIES, **MUTATIONS}[procedure], values)
        # The real server's coercion: any text is true.
        values = {key: bool(value) if key in BOOLEANS else value for key, value in values.items()}
        for way in ("create", "update"):
            channel = procedure.removeprefix(f"notification.{way}").lower()
            if channel in CHANNELS:
                return getattr(self, f"{way}_notification")(channel, values)
        handler: Callable[[Row], Any] = getattr(self, procedure.replace(".", "_"))
        return handler(values)

    @staticmethod
    def _need(rows: dict[str, Row], key: str, kind: str) -> Row:
        if key not in rows:
            raise RefusedError(404, "NOT_FOUND", f"{kind} not found")
        return rows[key]

    def _compose(self, values: Row) -> Row:
        return self._need(self._store.composes, values["composeId"], "Compose")

    # Projects and environments

    def project_create(self, values: Row) -> Row:
        project = self._store.make_project(values["name"], values.get("description"), values.get("env") or "")
        environment = self._store.make_environment(
            project["projectId"], "production", "Production environment", default=True
        )
        return {"project": project, "environment": environment}

    def project_all(self, _values: Row) -> list[Row]:
        store = self._store
        return [
            {
                **project,
                "environments": [
                    {
                        "name": e["name"],
                        "environmentId": e["environmentId"],
                        "isDefault": e["isDefault"],
                        **{kind: e.get(kind, []) for kind in OTHER_SERVICES},
                        "compose": [
                            {key: c[key] for key in ("composeId", "name", "composeStatus")}
                            for c in store.composes_of(e["environmentId"])
                        ],
                    }
                    for e in store.environments_of(project["projectId"])
                ],
                "projectTags": [],
            }
            for project in store.projects.values()
        ]

    def project_update(self, values: Row) -> Row:
        project = self._need(self._store.projects, values["projectId"], "Project")
        project.update(values)
        return project

    def project_remove(self, values: Row) -> Row:
        """Rows go, containers, volumes and files stay."""
        store = self._store
        project = self._need(store.projects, values["projectId"], "Project")
        for environment in store.environments_of(project["projectId"]):
            self.environment_remove(environment)
        return store.projects.pop(project["projectId"])

    def environment_create(self, values: Row) -> Row:
        if values["name"] == "production":
            raise RefusedError(400, "BAD_REQUEST", "You cannot create a environment with the name 'production'")
        if values["projectId"] not in self._store.projects:
            raise failed_query("Error creating the environment: ")
        return self._store.make_environment(
            values["projectId"], values["name"], values.get("description"), default=False
        )

    def environment_one(self, values: Row) -> Row:
        store = self._store
        environment = self._need(store.environments, values["environmentId"], "Environment")
        composes = [
            {
                **{key: c[key] for key in ("composeId", "name", "createdAt", "composeStatus", "description")},
                "icon": None,
                "serverId": c["serverId"],
                "server": self.server_of(c, "name", "serverId"),
            }
            for c in store.composes_of(environment["environmentId"])
        ]
        others: dict[str, list[Row]] = {kind: [] for kind in OTHER_SERVICES}
        shown = {key: value for key, value in environment.items() if key != "createdAt"}
        project = store.projects[environment["projectId"]]
        return {**shown, **others, "compose": composes, "project": project}

    def environment_update(self, values: Row) -> Row:
        environment = self._store.environments.get(values["environmentId"])
        if environment is None:
            raise RefusedError(400, "BAD_REQUEST", "Error updating the environment: Environment not found")
        environment.update(values)
        return environment

    def environment_remove(self, values: Row) -> Row:
        store = self._store
        environment = self._need(store.environments, values["environmentId"], "Environment")
        for compose in store.composes_of(environment["environmentId"]):
            del store.composes[compose["composeId"]]
        return store.environments.pop(environment["environmentId"])

    # Compose services

    def compose_create(self, values: Row) -> Row:
        self._need(self._store.environments, values["environmentId"], "Environment")
        if values.get("serverId") and values["serverId"] not in self._store.tables["servers"]:
            raise RefusedError(401, "UNAUTHORIZED", "You are not authorized to access this server")
        return self._store.make_compose(values)

    def compose_one(self, values: Row) -> Row:
        store, compose = self._store, self._compose(values)
        environment = store.environments[compose["environmentId"]]
        return {
            **compose,
            "environment": {**environment, "project": store.projects[environment["projectId"]]},
            # In no order here, unlike deployment.allByCompose.
            "deployments": store.deployments_of(compose["composeId"])[::-1],
            "mounts": self.mounts_of(compose["composeId"]),
            "domains": store.domains_of(compose["composeId"]),
            **dict.fromkeys(("github", "gitlab", "bitbucket", "gitea", "unauthorizedProvider")),
            "server": self.server_of(compose),
            "backups": self.backups_of(compose["composeId"]),
            "hasGitProviderAccess": True,
        }

    def compose_update(self, values: Row) -> Any:
        """Answers 200 for an unknown id as well, with an empty body."""
        compose = self._store.composes.get(values["composeId"])
        if compose is None:
            return EMPTY
        key = values.get("customGitSSHKeyId")
        if key and key not in self._store.tables["ssh_keys"]:
            statement = 'Failed query: update "compose" set "customGitSSHKeyId" = $1\nparams: x'
            raise RefusedError(500, "INTERNAL_SERVER_ERROR", statement)
        compose.update(values)
        return compose

    def compose_saveEnvironment(self, values: Row) -> bool:  # noqa: N802
        if values["composeId"] not in self._store.composes:
            raise RefusedError(400, "BAD_REQUEST", "Error adding environment variables")
        self._compose(values).update(values)
        return True

    def compose_deploy(self, values: Row) -> Row:
        compose = self._compose(values)
        title = values.get("title") or "Manual deployment"
        self._deployer.queue(compose["composeId"], title, values.get("description") or "")
        return {"success": True, "message": "Deployment queued", "composeId": compose["composeId"]}

    def compose_stop(self, values: Row) -> bool:
        compose = self._compose(values)
        if not self._store.deployments_of(compose["composeId"]):
            raise RefusedError(500, "INTERNAL_SERVER_ERROR", "Command execution failed: spawn /bin/sh ENOENT")
        self._deployer.stop(compose)
        return True

    def compose_delete(self, values: Row) -> Row:
        shown = self.compose_one(values)
        for name in ("hasGitProviderAccess", "unauthorizedProvider"):
            del shown[name]
        compose = self._compose(values)
        self._deployer.delete(compose, values["deleteVolumes"])
        for domain in self._store.domains_of(compose["composeId"]):
            del self._store.domains[domain["domainId"]]
        for rows in self._store.tables.values():
            for key in [key for key, row in rows.items() if row.get("composeId") == compose["composeId"]]:
                del rows[key]
        del self._store.composes[compose["composeId"]]
        return shown

    def compose_loadServices(self, values: Row) -> list[str]:  # noqa: N802
        compose = self._compose(values)
        try:
            if values.get("type") == "fetch":
                self._deployer.fetch(compose, lambda _: None)
        except OSError as error:
            # The script that failed, with whatever it was given.
            raise RefusedError(500, "INTERNAL_SERVER_ERROR", str(error))
        try:
            return self._converted(compose)[1]
        except (OSError, ConversionError):
            raise RefusedError(404, "NOT_FOUND", "Services not found")

    def compose_getConvertedCompose(self, values: Row) -> str:  # noqa: N802
        try:
            return self._converted(self._compose(values))[0]
        except (OSError, ConversionError) as error:
            raise RefusedError(500, "INTERNAL_SERVER_ERROR", str(error))

    def _converted(self, compose: Row) -> tuple[str, list[str]]:
        text = compose["composeFile"]
        if compose["sourceType"] != "raw":
            path = self._deployer.code_directory(compose) / self._deployer.compose_path(compose)
            text = path.read_text()
        services = list((yaml.safe_load(text) or {}).get("services") or {})
        return convert(text, compose, self._store.domains_of(compose["composeId"])), services

    def compose_readLogs(self, values: Row) -> str:  # noqa: N802
        """Of any container on the host."""
        return self._deployer.engine.container_log(values["containerId"], int(values.get("tail", 100)))

    # Deployments and containers

    def deployment_allByCompose(self, values: Row) -> list[Row]:  # noqa: N802
        return self._store.deployments_of(values["composeId"])

    def deployment_queueList(self, _values: Row) -> list[Row]:  # noqa: N802
        return self._deployer.jobs()

    def deployment_readLogs(self, values: Row) -> str:  # noqa: N802
        text = self._need(self._store.logs, values["deploymentId"], "Deployment")
        lines = str(text).splitlines(keepends=True)
        return "".join(lines[-int(values.get("tail", 100)) :])

    def docker_getContainersByAppNameMatch(self, values: Row) -> list[Row]:  # noqa: N802
        return self._deployer.engine.containers(values["appName"])

    def docker_getConfig(self, values: Row) -> Any:  # noqa: N802
        return self._deployer.engine.inspect("container", values["containerId"]) or EMPTY

    def dockerImage_getImageConfig(self, values: Row) -> Row:  # noqa: N802
        found = self._deployer.engine.inspect("image", values["imageRef"])
        if found is None:
            said = f"Error response from daemon: No such image: {values['imageRef']}\n"
            raise RefusedError(
                500, "INTERNAL_SERVER_ERROR",
                f"Command execution failed: Command failed: docker image inspect {values['imageRef']}\n{said}",
            )  # fmt: skip
        return found

    # Domains

    def domain_create(self, values: Row) -> Row:
        """Any service name is taken, and a second domain of the same name too."""
        if values.get("composeId") not in self._store.composes:
            raise failed_query()
        return self._store.make_domain(values)

    def domain_byComposeId(self, values: Row) -> list[Row]:  # noqa: N802
        compose = self._store.composes.get(values["composeId"])
        if compose is None:
            return []
        short = {key: compose[key] for key in ("composeId", "appName", "name")}
        return [{**row, "compose": short} for row in self._store.domains_of(compose["composeId"])]

    def domain_update(self, values: Row) -> Row:
        domain = self._need(self._store.domains, values["domainId"], "Domain")
        domain.update(values)
        return domain

    def domain_delete(self, values: Row) -> Row:
        domain = self._need(self._store.domains, values["domainId"], "Domain")
        return self._store.domains.pop(domain["domainId"])

    # The server

    def organization_all(self, _values: Row) -> list[Row]:
        rights = ("accessedEnvironments", "accessedGitProviders", "accessedProjects", "accessedServers",
                  "accessedServices")  # fmt: skip
        abilities = ("AccessToAPI", "AccessToDocker", "AccessToGitProviders", "AccessToSSHKeys",
                     "AccessToTraefikFiles", "CreateEnvironments", "CreateProjects", "CreateServices",
                     "DeleteEnvironments", "DeleteProjects", "DeleteServices")  # fmt: skip
        member = {
            **{name: [] for name in rights}, **{f"can{name}": False for name in abilities}, "createdAt": now(),
            "id": "member", "isDefault": True, "organizationId": self._store.organization, "role": "owner",
            "teamId": None, "userId": "user",
        }  # fmt: skip
        return [
            {"id": self._store.organization, "name": "My Organization", "createdAt": now(), "defaultRole": None,
             "logo": None, "members": [member], "metadata": None, "ownerId": "user", "slug": None}
        ]  # fmt: skip

    def settings_getDokployVersion(self, _values: Row) -> str:  # noqa: N802
        return VERSION

    def settings_getWebServerSettings(self, _values: Row) -> Row:  # noqa: N802
        return self._store.settings

    def user_createApiKey(self, values: Row) -> Row:  # noqa: N802
        limited = values.get("rateLimitEnabled", True)
        key = self._store.make_key(limited)
        nulls = ("expiresAt", "lastRefillAt", "lastRequest", "metadata", "permissions", "prefix", "refillAmount",
                 "refillInterval", "remaining")  # fmt: skip
        return {
            **dict.fromkeys(nulls), "id": values["name"], "configId": "default", "createdAt": now(), "enabled": True,
            "key": key, "name": values["name"], "rateLimitEnabled": limited, "rateLimitMax": 10,
            "rateLimitTimeWindow": 86_400_000, "referenceId": "user", "requestCount": 0, "start": key[:6],
            "updatedAt": now(),
        }  # fmt: skip
