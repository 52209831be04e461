# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Dokploy server keeps, in rows shaped like its answers."""

from __future__ import annotations

import datetime
import secrets
import string
import threading
from typing import Any

Row = dict[str, Any]

_ALPHABET = string.ascii_letters + string.digits + "_-"
# Dokploy keeps about so many deployments of a service.
KEPT_DEPLOYMENTS = 10
# A key made with the defaults: so many a day, and each call counts twice.
DEFAULT_KEY_BUDGET = 10
CALL_COST = 2

_COMPOSE_NULLS = (
    "description", "env", "repository", "owner", "branch", "gitlabProjectId", "gitlabRepository",
    "gitlabOwner", "gitlabBranch", "gitlabPathNamespace", "bitbucketRepository", "bitbucketRepositorySlug",
    "bitbucketOwner",
    "bitbucketBranch", "giteaRepository", "giteaOwner", "giteaBranch", "customGitUrl", "customGitBranch",
    "customGitSSHKeyId", "icon", "watchPaths", "githubId", "gitlabId", "bitbucketId", "giteaId", "serverId",
)  # fmt: skip
_COMPOSE_DEFAULTS = {
    "sourceType": "github", "composeType": "docker-compose", "composeFile": "", "autoDeploy": True,
    "command": "", "createEnvFile": True, "enableSubmodules": False, "composePath": "./docker-compose.yml",
    "suffix": "",
    "randomize": False, "isolatedDeployment": False, "isolatedDeploymentsVolume": False,
    "triggerType": "push", "composeStatus": "idle", "serviceNetworks": [],
}  # fmt: skip
_DOMAIN_DEFAULTS = {
    "https": False, "port": 3000, "customEntrypoint": None, "path": "/", "serviceName": None,
    "domainType": "application", "composeId": None, "customCertResolver": None, "applicationId": None,
    "previewDeploymentId": None, "certificateType": "none", "internalPath": "/", "stripPath": False,
    "middlewares": [], "forwardAuthEnabled": False, "enabled": True,
}  # fmt: skip
_DEPLOYMENT_NULLS = (
    "pid", "applicationId", "serverId", "previewDeploymentId", "finishedAt", "errorMessage", "scheduleId",
    "backupId", "rollbackId", "volumeBackupId", "buildServerId",
)  # fmt: skip
OTHER_SERVICES = ("applications", "libsql", "mariadb", "mongo", "mysql", "postgres", "redis")


# An answer without a body.
EMPTY = object()
TABLES = ("ssh_keys", "registries", "destinations", "backups", "volume_backups", "schedules", "notifications",
          "channels", "mounts", "servers")  # fmt: skip


def words() -> str:
    """What the server makes up where it is given no name."""
    return "bypass-neural-array-" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(6))


def new_id() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(21))


def now() -> str:
    stamp = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")


class Store:
    """All rows, in memory."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.admin: Row | None = None
        self.sessions: set[str] = set()
        self.keys: dict[str, int | None] = {}
        self.organization = new_id()
        self.projects: dict[str, Row] = {}
        self.environments: dict[str, Row] = {}
        self.composes: dict[str, Row] = {}
        self.domains: dict[str, Row] = {}
        self.deployments: dict[str, Row] = {}
        self.logs: dict[str, str] = {}
        self.tables: dict[str, dict[str, Row]] = {name: {} for name in TABLES}
        self.settings: Row = {
            "id": new_id(), "serverIp": None, "certificateType": "none", "https": False, "host": None,
            "letsEncryptEmail": None, "enableDockerCleanup": True, "buildsConcurrency": 1, "sshPrivateKey": None,
            "cleanupCacheApplications": False, "cleanupCacheOnCompose": False, "cleanupCacheOnPreviews": False,
            "enforceSSO": False, "logCleanupCron": "0 0 * * *", "remoteServersOnly": False, "metricsConfig": {},
            "createdAt": now(), "updatedAt": now(),
            "whitelabelingConfig": dict.fromkeys(
                ("appDescription", "appName", "customCss", "docsUrl", "errorPageDescription", "errorPageTitle",
                 "faviconUrl", "footerText", "loginLogoUrl", "logoUrl", "metaTitle", "supportUrl")
            ),
        }  # fmt: skip

    def make_key(self, limited: bool) -> str:
        key = secrets.token_urlsafe(48)
        self.keys[key] = DEFAULT_KEY_BUDGET if limited else None
        return key

    def spend(self, key: str) -> bool:
        """Whether a call with this key is let in."""
        if key not in self.keys:
            return False
        budget = self.keys[key]
        if budget is None:
            return True
        self.keys[key] = budget - CALL_COST
        return budget >= CALL_COST

    def make_project(self, name: str, description: str | None, env: str) -> Row:
        project = {
            "projectId": new_id(), "name": name, "description": description, "createdAt": now(),
            "organizationId": self.organization, "env": env,
        }  # fmt: skip
        self.projects[project["projectId"]] = project
        return project

    def make_environment(self, project_id: str, name: str, description: str | None, default: bool) -> Row:
        environment = {
            "environmentId": new_id(), "name": name, "description": description, "createdAt": now(),
            "env": "", "projectId": project_id, "isDefault": default,
        }  # fmt: skip
        self.environments[environment["environmentId"]] = environment
        return environment

    def make_compose(self, fields: Row) -> Row:
        # The environment is dropped without a word.
        given = {key: value for key, value in fields.items() if key not in ("env", "appName")}
        suffix = "".join(secrets.choice(string.ascii_lowercase) for _ in range(6))
        compose = {
            "composeId": new_id(),
            "appName": f"{fields['appName']}-{suffix}" if fields.get("appName") else f"compose-{words()}",
            "refreshToken": new_id(),
            "createdAt": now(),
            **dict.fromkeys(_COMPOSE_NULLS),
            **_COMPOSE_DEFAULTS,
            **given,
        }
        self.composes[compose["composeId"]] = compose
        return compose

    def make_domain(self, fields: Row) -> Row:
        key = 1 + max((row["uniqueConfigKey"] for row in self.domains.values()), default=0)
        domain = {
            "domainId": new_id(),
            "uniqueConfigKey": key,
            "createdAt": now(),
            **_DOMAIN_DEFAULTS,
            **fields,
        }
        self.domains[domain["domainId"]] = domain
        return domain

    def start_deployment(self, compose: Row, title: str, description: str) -> Row:
        started = now()
        app = compose["appName"]
        deployment = {
            "deploymentId": new_id(), "title": title, "description": description, "status": "running",
            "logPath": f"/etc/dokploy/logs/{app}/{app}-{started}.log", "composeId": compose["composeId"],
            "isPreviewDeployment": False, "createdAt": started, "startedAt": started,
            **dict.fromkeys(_DEPLOYMENT_NULLS),
        }  # fmt: skip
        self.deployments[deployment["deploymentId"]] = deployment
        for old in self.deployments_of(compose["composeId"])[KEPT_DEPLOYMENTS:]:
            del self.deployments[old["deploymentId"]]
        return deployment

    def deployments_of(self, compose_id: str) -> list[Row]:
        """Newest first."""
        rows = [row for row in self.deployments.values() if row["composeId"] == compose_id]
        return sorted(rows, key=lambda row: row["createdAt"], reverse=True)

    def domains_of(self, compose_id: str) -> list[Row]:
        return [row for row in self.domains.values() if row["composeId"] == compose_id]

    def composes_of(self, environment_id: str) -> list[Row]:
        return [row for row in self.composes.values() if row["environmentId"] == environment_id]

    def environments_of(self, project_id: str) -> list[Row]:
        return [row for row in self.environments.values() if row["projectId"] == project_id]
