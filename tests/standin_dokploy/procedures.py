# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The procedures of the API, each as the real one answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from .convert import ConversionError, convert
from .deployer import Deployer
from .store import OTHER_SERVICES, Store, now

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
    "docker.getContainersByAppNameMatch": ("appName",),
    "domain.byComposeId": ("composeId",),
    "environment.one": ("environmentId",),
    "organization.all": (),
    "project.all": (),
    "settings.getDokployVersion": (),
    "settings.getWebServerSettings": (),
}
MUTATIONS: dict[str, tuple[str, ...]] = {
    "compose.create": ("name", "environmentId"),
    "compose.delete": ("composeId", "deleteVolumes"),
    "compose.deploy": ("composeId",),
    "compose.saveEnvironment": ("composeId", "env"),
    "compose.stop": ("composeId",),
    "compose.update": ("composeId",),
    "domain.create": ("host",),
    "domain.delete": ("domainId",),
    "domain.update": ("host", "domainId"),
    "environment.create": ("name", "projectId"),
    "environment.remove": ("environmentId",),
    "environment.update": ("environmentId",),
    "project.create": ("name",),
    "project.remove": ("projectId",),
    "project.update": ("projectId",),
    "user.createApiKey": ("name", "metadata"),
}
BOOLEANS = frozenset({
    "https", "stripPath", "enabled", "forwardAuthEnabled", "autoDeploy", "createEnvFile", "enableSubmodules",
    "deleteVolumes", "randomize", "isolatedDeployment", "rateLimitEnabled",
})  # fmt: skip
EMPTY = object()


class RefusedError(Exception):
    """An error answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Procedures:
    """Carries calls out on the store."""

    def __init__(self, store: Store, deployer: Deployer) -> None:
        self._store = store
        self._deployer = deployer

    def call(self, procedure: str, values: Row) -> Any:
        """The answer's data, or EMPTY for an answer without a body."""
        required = {**QUERIES, **MUTATIONS}[procedure]
        missing = [name for name in required if values.get(name) is None]
        if missing:
            raise RefusedError(400, "BAD_REQUEST", f"Input validation failed: {', '.join(missing)} required")
        # The real server's coercion: any text is true.
        values = {key: bool(value) if key in BOOLEANS else value for key, value in values.items()}
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

    def project_update(self, values: Row) -> Any:
        self._store.projects.get(values["projectId"], {}).update(values)
        return EMPTY

    def project_remove(self, values: Row) -> Row:
        """Rows go, containers, volumes and files stay."""
        store = self._store
        project = self._need(store.projects, values["projectId"], "Project")
        for environment in store.environments_of(project["projectId"]):
            self.environment_remove(environment)
        return store.projects.pop(project["projectId"])

    def environment_create(self, values: Row) -> Row:
        if values["name"] == "production":
            raise RefusedError(400, "BAD_REQUEST", "You cannot create an environment with the name 'production'")
        self._need(self._store.projects, values["projectId"], "Project")
        return self._store.make_environment(
            values["projectId"], values["name"], values.get("description"), default=False
        )

    def environment_one(self, values: Row) -> Row:
        store = self._store
        environment = self._need(store.environments, values["environmentId"], "Environment")
        composes = [
            {
                **{key: c[key] for key in ("composeId", "name", "createdAt", "composeStatus", "description")},
                "serverId": None,
                "icon": None,
                "server": None,
            }
            for c in store.composes_of(environment["environmentId"])
        ]
        others: dict[str, list[Row]] = {kind: [] for kind in OTHER_SERVICES}
        shown = {key: value for key, value in environment.items() if key != "createdAt"}
        project = store.projects[environment["projectId"]]
        return {**shown, **others, "compose": composes, "project": project}

    def environment_update(self, values: Row) -> Row:
        environment = self._need(self._store.environments, values["environmentId"], "Environment")
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
        return self._store.make_compose(values)

    def compose_one(self, values: Row) -> Row:
        store, compose = self._store, self._compose(values)
        environment = store.environments[compose["environmentId"]]
        return {
            **compose,
            "environment": {**environment, "project": store.projects[environment["projectId"]]},
            # Oldest first here, unlike deployment.allByCompose.
            "deployments": store.deployments_of(compose["composeId"])[::-1],
            "mounts": [],
            "domains": store.domains_of(compose["composeId"]),
            **dict.fromkeys(("github", "gitlab", "bitbucket", "gitea", "server", "unauthorizedProvider")),
            "backups": [],
            "hasGitProviderAccess": True,
        }

    def compose_update(self, values: Row) -> Any:
        """Answers 200 for an unknown id as well, with an empty body."""
        compose = self._store.composes.get(values["composeId"])
        if compose is None:
            return EMPTY
        compose.update(values)
        return compose

    def compose_saveEnvironment(self, values: Row) -> bool:  # noqa: N802
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
            raise RefusedError(500, "INTERNAL_SERVER_ERROR", "Command execution failed")
        self._deployer.stop(compose)
        return True

    def compose_delete(self, values: Row) -> Row:
        compose = self._compose(values)
        self._deployer.delete(compose, values["deleteVolumes"])
        for domain in self._store.domains_of(compose["composeId"]):
            del self._store.domains[domain["domainId"]]
        return self._store.composes.pop(compose["composeId"])

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
        return self._store.deployments_of(self._compose(values)["composeId"])

    def deployment_queueList(self, _values: Row) -> list[Row]:  # noqa: N802
        return self._deployer.jobs()

    def deployment_readLogs(self, values: Row) -> str:  # noqa: N802
        text = self._need(self._store.logs, values["deploymentId"], "Deployment")
        lines = str(text).splitlines(keepends=True)
        return "".join(lines[-int(values.get("tail", 100)) :])

    def docker_getContainersByAppNameMatch(self, values: Row) -> list[Row]:  # noqa: N802
        return self._deployer.engine.containers(values["appName"])

    # Domains

    def domain_create(self, values: Row) -> Row:
        """Any service name is taken, and a second domain of the same name too."""
        return self._store.make_domain(values)

    def domain_byComposeId(self, values: Row) -> list[Row]:  # noqa: N802
        compose = self._compose(values)
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
        return [{"id": self._store.organization, "name": "My Organization", "createdAt": now()}]

    def settings_getDokployVersion(self, _values: Row) -> str:  # noqa: N802
        return VERSION

    def settings_getWebServerSettings(self, _values: Row) -> Row:  # noqa: N802
        return self._store.settings

    def user_createApiKey(self, values: Row) -> Row:  # noqa: N802
        limited = values.get("rateLimitEnabled", True)
        return {"id": values["name"], "name": values["name"], "key": self._store.make_key(limited)}
