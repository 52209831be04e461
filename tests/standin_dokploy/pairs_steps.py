# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The requests of the pairs, in their order: `<name>` in one stands for what an earlier answer said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml


@dataclass(frozen=True)
class Step:
    """One request.

    Attributes:
        name: In the record; an empty one is sent, and its answer left out.
        call: Method and procedure.
        values: Query or body.
        keep: Names for parts of the answer.
        headers: Beside the key.
        bare: Whether no key is sent.
        with_cookie: Whether the session's cookies are sent and kept.
        until: Asked again until the answer is so.
        pick: Takes out of the answer what is the record's: a server may have more.
        pause: Seconds to wait before.
    """

    name: str
    call: str
    values: Any = field(default_factory=dict)
    keep: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    bare: bool = False
    with_cookie: bool = False
    until: Callable[[Any], bool] | None = None
    pick: Callable[[Any], Any] | None = None
    pause: float = 0


UP, IN = "POST auth/sign-up/email", "POST auth/sign-in/email"
ADMIN = {"name": "A", "lastName": "B", "email": "<email>", "password": "<password>"}
LOG_IN = {"email": "<email>", "password": "<password>"}
FILE = (
    "services:\n  web:\n    image: local/sluice-base:trixie\n    pull_policy: never\n    command: [sleep, infinity]\n"
)
LABELLED = FILE + "    labels: {a: b}\n"
LISTED = FILE + "    labels: [a=b]\n    networks: [own]\nnetworks: {own: {}}\n"
MERGED = "x-base: &base\n  image: local/sluice-base:trixie\n  labels: [c=d]\nservices:\n  web:\n    <<: *base\n"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\ncGxhbnRlZA==\n-----END OPENSSH PRIVATE KEY-----\n"
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPlanted pairs"
NOWHERE = "AAAAAAAAAAAAAAAAAAAAA"
OF = {"composeId": "<compose>"}
DOMAIN = {
    **OF, "host": "pairs.example.com", "serviceName": "web", "port": 8000, "https": True, "path": "/",
    "certificateType": "none", "domainType": "compose", "middlewares": ["a@file"],
}  # fmt: skip
EVENTS = dict.fromkeys(
    ("appDeploy", "appBuildError", "databaseBackup", "volumeBackup", "dokployBackup", "dokployRestart",
     "dockerCleanup", "serverThreshold"), True,
)  # fmt: skip
BUCKET = {
    "name": "pairs", "provider": "Other", "accessKey": "a", "secretAccessKey": "planted-secret", "bucket": "b",
    "region": "r", "endpoint": "https://s3.example.com", "additionalFlags": [],
}  # fmt: skip


def ended(rows: Any) -> bool:
    """Whether the newest deployment has."""
    return bool(rows) and rows[0]["status"] not in ("running",)


def ours(rows: Any) -> Any:
    """The rows that the steps made."""
    return [row for row in rows if row["name"] == "pairs"]


def ours_in_order(rows: Any) -> Any:
    """The projects that the steps made; a project's services are in no order."""
    for row in ours(rows):
        for environment in row["environments"]:
            environment["compose"].sort(key=lambda service: str(service["composeStatus"]))
    return ours(rows)


def as_waiting(jobs: Any) -> Any:
    """Jobs, whether they wait or have begun."""
    return [{**job, "state": "waiting", "processedOn": None} for job in jobs]


def read(text: Any) -> Any:
    """A Compose file as Compose reads it, however it is written."""
    return yaml.safe_load(text)


def of_a_container(told: Any) -> Any:
    """What matters of all that an engine tells of one."""
    return {
        "Image": told["Image"].partition(":")[0],
        "image": told["Config"]["Image"],
        "service": told["Config"]["Labels"]["com.docker.compose.service"],
    }


def of_an_image(told: Any) -> Any:
    """The same of an image."""
    return {name: type(told[name]).__name__ for name in ("Size", "Config")}


SET_UP = [
    Step("sign up with a short password", UP, {**ADMIN, "password": "short"}, bare=True),
    Step("sign up", UP, ADMIN, bare=True, with_cookie=True),
    Step("sign in with a session and no origin", IN, LOG_IN, bare=True, with_cookie=True),
    Step("sign up again", UP, ADMIN, bare=True, pause=11),
    Step("sign up as another", UP, {**ADMIN, "email": "other@example.com"}, bare=True, pause=11),
]

STEPS = [
    Step("sign in with a foreign origin", IN, LOG_IN, bare=True, headers={"origin": "https://evil.example.com"}),
    Step("sign in with a wrong password", IN, {**LOG_IN, "password": "wrong-password"}, bare=True, pause=11),
    Step("", IN, LOG_IN, bare=True, with_cookie=True, pause=11),
    Step("organizations", "GET organization.all", pick=lambda rows: sorted(rows[0]), bare=True, with_cookie=True, keep={"organization": "0.id"}),
    Step("key without an organization", "POST user.createApiKey", {"name": "k", "metadata": {}}, bare=True,
         with_cookie=True),
    Step("key with a long name", "POST user.createApiKey",
         {"name": "k" * 40, "metadata": {"organizationId": "<organization>"}}, bare=True, with_cookie=True),
    Step("key", "POST user.createApiKey",
         {"name": "pairs", "metadata": {"organizationId": "<organization>"}, "rateLimitEnabled": False}, bare=True,
         with_cookie=True, keep={"key": "key"}),
    Step("no key", "GET project.all", bare=True),
    Step("a key and basic authorization", "GET settings.getDokployVersion", headers={"authorization": "Basic eDp5"}),
    Step("no such procedure", "GET project.nothing"),
    Step("the wrong method", "GET project.create"),
    Step("no content type", "POST project.create", '{"name": "x"}', headers={"content-type": "text/plain"}),
    Step("malformed JSON", "POST project.create", "{", headers={"content-type": "application/json"}),
    Step("a body that is too large", "POST project.create", '{"name": "' + "x" * 1_100_000 + '"}',
         headers={"content-type": "application/json"}),
    Step("health", "GET health", bare=True),
    Step("settings", "GET settings.getWebServerSettings", pick=sorted),

    Step("project without a name", "POST project.create", {"name": ""}),
    Step("project", "POST project.create", {"name": "pairs", "description": "d"},
         keep={"project": "project.projectId", "environment": "environment.environmentId"}),
    Step("project changed", "POST project.update", {"projectId": "<project>", "description": "e"}),
    Step("unknown project changed", "POST project.update", {"projectId": NOWHERE, "description": "e"}),
    Step("unknown project removed", "POST project.remove", {"projectId": NOWHERE}),
    Step("environment", "POST environment.create", {"name": "staging", "projectId": "<project>"},
         keep={"staging": "environmentId"}),
    Step("environment called production", "POST environment.create", {"name": "production", "projectId": "<project>"}),
    Step("environment of an unknown project", "POST environment.create", {"name": "x", "projectId": NOWHERE}),
    Step("environment changed", "POST environment.update", {"environmentId": "<staging>", "description": "e"}),
    Step("unknown environment changed", "POST environment.update", {"environmentId": NOWHERE, "description": "e"}),
    Step("environment shown", "GET environment.one", {"environmentId": "<staging>"}),
    Step("unknown environment shown", "GET environment.one", {"environmentId": NOWHERE}),
    Step("environment removed", "POST environment.remove", {"environmentId": "<staging>"}),

    Step("service with a bad name", "POST compose.create",
         {"name": "app", "environmentId": "<environment>", "appName": "My App!"}),
    Step("service with an empty name", "POST compose.create", {"name": "", "environmentId": "<environment>"}),
    Step("service without an app name", "POST compose.create",
         {"name": "app", "environmentId": "<environment>", "sourceType": "raw"}, keep={"nameless": "composeId"}),
    Step("service", "POST compose.create",
         {"name": "app", "environmentId": "<environment>", "appName": "pairs-app", "sourceType": "raw",
          "composeType": "docker-compose", "composeFile": FILE, "env": "A=b"},
         keep={"compose": "composeId", "app": "appName"}),
    Step("service in an unknown environment", "POST compose.create", {"name": "app", "environmentId": NOWHERE}),
    Step("service changed", "POST compose.update", {**OF, "description": "d", "autoDeploy": False}),
    Step("unknown service changed", "POST compose.update", {"composeId": NOWHERE, "description": "d"}),
    Step("service with an unknown SSH key", "POST compose.update", {**OF, "customGitSSHKeyId": NOWHERE}),
    Step("variables", "POST compose.saveEnvironment", {**OF, "env": "A='b c'", "createEnvFile": True}),
    Step("variables of an unknown service", "POST compose.saveEnvironment", {"composeId": NOWHERE, "env": "A=b"}),
    Step("unknown service shown", "GET compose.one", {"composeId": NOWHERE}),
    Step("service never deployed is stopped", "POST compose.stop", OF),

    *[
        Step(f"domain {what}", "POST domain.create", {**DOMAIN, "host": host})
        for what, host in {
            "with a star": "*.example.com", "with an underscore": "a_b.example.com", "in letters": "bücher.example",
            "with a blank": "a b", "with two dots": "a..example.com", "with a long label": f"{'x' * 64}.example.com",
        }.items()
    ],
    Step("domain with port 0", "POST domain.create", {**DOMAIN, "port": 0}),
    Step("domain of an unknown service", "POST domain.create", {**DOMAIN, "composeId": NOWHERE}),
    Step("domain", "POST domain.create", DOMAIN, keep={"domain": "domainId"}),
    Step("domains", "GET domain.byComposeId", OF),
    Step("domains of an unknown service", "GET domain.byComposeId", {"composeId": NOWHERE}),
    Step("domain changed", "POST domain.update", {"domainId": "<domain>", "host": "pairs.example.com", "port": 8001}),
    Step("unknown domain changed", "POST domain.update", {"domainId": NOWHERE, "host": "pairs.example.com"}),
    Step("unknown domain removed", "POST domain.delete", {"domainId": NOWHERE}),
    Step("converted", "GET compose.getConvertedCompose", OF, pick=read),
    Step("", "POST compose.update", {**OF, "composeFile": LABELLED}),
    Step("converted with labels as a mapping", "GET compose.getConvertedCompose", OF, pick=read),
    Step("", "POST compose.update", {**OF, "composeFile": LISTED}),
    Step("converted with labels as a list and a network", "GET compose.getConvertedCompose", OF, pick=read),
    Step("", "POST compose.update", {**OF, "composeFile": MERGED}),
    Step("converted with a merge", "GET compose.getConvertedCompose", OF, pick=read),
    Step("", "POST compose.update", {**OF, "composeFile": LISTED, "isolatedDeployment": True}),
    Step("converted and isolated", "GET compose.getConvertedCompose", OF, pick=read),
    Step("", "POST compose.update", {**OF, "composeFile": FILE}),
    Step("services of the file", "GET compose.loadServices", {**OF, "type": "fetch"}),

    Step("deployments of an unknown service", "GET deployment.allByCompose", {"composeId": NOWHERE}),
    Step("deployed", "POST compose.deploy", {**OF, "title": "t"}),
    Step("queue", "GET deployment.queueList", until=bool, pick=as_waiting),
    Step("deployments", "GET deployment.allByCompose", OF, keep={"deployment": "0.deploymentId"}, until=ended),
    Step("log with a large tail", "GET deployment.readLogs", {"deploymentId": "<deployment>", "tail": "10001"}),
    Step("log of an unknown deployment", "GET deployment.readLogs", {"deploymentId": NOWHERE}),
    Step("containers", "GET docker.getContainersByAppNameMatch", {"appName": "<app>", "appType": "docker-compose"},
         keep={"container": "0.containerId"}),
    Step("container's log of a bad id", "GET compose.readLogs", {**OF, "containerId": "x;y"}),
    Step("container's log with a large tail", "GET compose.readLogs",
         {**OF, "containerId": "<container>", "tail": "10001"}),
    Step("container inspected", "GET docker.getConfig", {"containerId": "<container>"}, pick=of_a_container,
         keep={"image": "Image"}),
    Step("unknown container inspected", "GET docker.getConfig", {"containerId": "nowhere"}),
    Step("image inspected", "GET dockerImage.getImageConfig", {"imageRef": "<image>"}, pick=of_an_image),
    Step("unknown image inspected", "GET dockerImage.getImageConfig", {"imageRef": "nowhere:1"}),
    Step("service shown", "GET compose.one", OF),
    Step("projects", "GET project.all", pick=ours_in_order),
    Step("stopped", "POST compose.stop", OF),

    Step("mount", "POST mounts.create",
         {"type": "file", "serviceType": "compose", "serviceId": "<compose>", "mountPath": "/a", "filePath": "d/a",
          "content": "x"}, keep={"mount": "mountId"}),
    Step("mount changed", "POST mounts.update", {"mountId": "<mount>", "content": "y"}),
    Step("unknown mount changed", "POST mounts.update", {"mountId": NOWHERE, "content": "y"}),
    Step("mount removed", "POST mounts.remove", {"mountId": "<mount>"}),

    Step("SSH key that is none", "POST sshKey.create",
         {"name": "pairs", "privateKey": "x", "publicKey": "y", "organizationId": "<organization>"}),
    Step("SSH key", "POST sshKey.create",
         {"name": "pairs", "privateKey": KEY, "publicKey": PUBLIC, "organizationId": "<organization>"}),
    Step("SSH keys", "GET sshKey.all", pick=ours, keep={"ssh": "0.sshKeyId"}),
    Step("SSH key changed", "POST sshKey.update", {"sshKeyId": "<ssh>", "description": "d"}),
    Step("SSH key generated", "POST sshKey.generate", {"type": "ed25519"}),
    Step("server", "POST server.create",
         {"name": "pairs", "description": "", "ipAddress": "127.0.0.1", "port": 1, "username": "root",
          "sshKeyId": "<ssh>", "serverType": "deploy"}, keep={"server": "serverId"}),
    Step("service on an unknown server", "POST compose.create",
         {"name": "far", "environmentId": "<environment>", "serverId": NOWHERE}),
    Step("service on another server", "POST compose.create",
         {"name": "far", "environmentId": "<environment>", "serverId": "<server>", "sourceType": "raw",
          "composeFile": FILE}, keep={"far": "composeId"}),
    Step("service on another server shown", "GET compose.one", {"composeId": "<far>"}),
    Step("servers", "GET server.all", pick=ours),
    Step("containers on a server that does not answer", "GET docker.getContainersByAppNameMatch",
         {"appName": "far", "appType": "docker-compose", "serverId": "<server>"}),
    Step("server with a service removed", "POST server.remove", {"serverId": "<server>"}),
    Step("", "POST compose.delete", {"composeId": "<far>", "deleteVolumes": True}),
    Step("server removed", "POST server.remove", {"serverId": "<server>"}),
    Step("", "POST compose.update",
         {**OF, "sourceType": "git", "customGitUrl": "ssh://git@127.0.0.1:1/app.git", "customGitBranch": "main",
          "customGitSSHKeyId": "<ssh>"}),
    Step("clone fails", "GET compose.loadServices", {**OF, "type": "fetch"}),
    Step("SSH key removed", "POST sshKey.remove", {"sshKeyId": "<ssh>"}),
    Step("", "POST compose.update",
         {**OF, "customGitUrl": "http://127.0.0.1:8418/cgi-bin/git/app.git", "composePath": "./none.yml",
          "customGitSSHKeyId": None}),
    Step("no such file", "GET compose.loadServices", {**OF, "type": "cache"}),

    Step("registry that lets nobody in", "POST registry.create",
         {"registryName": "pairs", "username": "u", "password": "planted-secret", "registryUrl": "127.0.0.1:1",
          "registryType": "cloud", "imagePrefix": None}),
    Step("registry without an image prefix", "POST registry.create",
         {"registryName": "pairs", "username": "u", "password": "p", "registryUrl": "", "registryType": "cloud"}),
    Step("try of a registry that lets nobody in", "POST registry.testRegistry",
         {"registryName": "pairs", "username": "u", "password": "planted-secret", "registryUrl": "127.0.0.1:1",
          "registryType": "cloud"}),

    Step("destination", "POST destination.create", BUCKET, keep={"destination": "destinationId"}),
    Step("destinations", "GET destination.all", pick=ours),
    Step("destination changed", "POST destination.update", {**BUCKET, "destinationId": "<destination>", "region": "q"}),
    Step("database backup", "POST backup.create",
         {**OF, "backupType": "compose", "serviceName": "web", "databaseType": "postgres", "database": "d",
          "destinationId": "<destination>", "schedule": "0 3 * * *", "keepLatestCount": 7, "prefix": "/",
          "enabled": True, "metadata": {"postgres": {"databaseUser": "u"}}}),
    Step("service with a backup", "GET compose.one", OF, keep={"backup": "backups.0.backupId"}),
    Step("database backup changed", "POST backup.update",
         {"backupId": "<backup>", "serviceName": "web", "databaseType": "postgres", "database": "d",
          "destinationId": "<destination>", "schedule": "0 4 * * *", "keepLatestCount": 7, "prefix": "/",
          "enabled": True, "metadata": {"postgres": {"databaseUser": "u"}}}),
    Step("database backup removed", "POST backup.remove", {"backupId": "<backup>"}),
    Step("volume backup", "POST volumeBackups.create",
         {**OF, "serviceType": "compose", "name": "v", "volumeName": "v", "prefix": "/", "serviceName": "web",
          "cronExpression": "0 3 * * *", "keepLatestCount": 7, "enabled": True, "turnOff": False,
          "destinationId": "<destination>"}, keep={"volume": "volumeBackupId"}),
    Step("volume backups", "GET volumeBackups.list", {"id": "<compose>", "volumeBackupType": "compose"}),
    Step("volume backup changed", "POST volumeBackups.update",
         {**OF, "volumeBackupId": "<volume>", "serviceType": "compose", "name": "v", "volumeName": "v", "prefix": "/",
          "cronExpression": "0 4 * * *", "destinationId": "<destination>"}),
    Step("volume backup removed", "POST volumeBackups.delete", {"volumeBackupId": "<volume>"}),
    Step("destination removed", "POST destination.remove", {"destinationId": "<destination>"}),

    Step("schedule", "POST schedule.create",
         {**OF, "scheduleType": "compose", "name": "s", "serviceName": "web", "command": "true", "shellType": "sh",
          "cronExpression": "0 3 * * *", "enabled": True}, keep={"schedule": "scheduleId"}),
    Step("schedules", "GET schedule.list", {"id": "<compose>", "scheduleType": "compose"}),
    Step("schedule changed", "POST schedule.update",
         {**OF, "scheduleId": "<schedule>", "scheduleType": "compose", "name": "s", "command": "false",
          "cronExpression": "0 4 * * *"}),
    Step("schedule removed", "POST schedule.delete", {"scheduleId": "<schedule>"}),

    Step("Slack", "POST notification.createSlack",
         {**EVENTS, "name": "pairs", "webhookUrl": "https://127.0.0.1:1/planted", "channel": ""}),
    Step("notifications", "GET notification.all", pick=ours, keep={"notification": "0.notificationId", "slack": "0.slackId"}),
    Step("Slack changed", "POST notification.updateSlack",
         {"notificationId": "<notification>", "slackId": "<slack>", "channel": "c"}),
    Step("Slack changed without a field of its own", "POST notification.updateSlack",
         {"notificationId": "<notification>", "slackId": "<slack>", "appDeploy": False}),
    Step("notification removed", "POST notification.remove", {"notificationId": "<notification>"}),
    Step("e-mail without an address", "POST notification.createEmail", {**EVENTS, "name": "pairs"}),

    Step("cleanup off", "POST settings.updateDockerCleanup", {"enableDockerCleanup": False}),
    Step("cleanup on", "POST settings.updateDockerCleanup", {"enableDockerCleanup": True}),
    Step("builds at once", "POST settings.updateBuildsConcurrency", {"buildsConcurrency": 1}),

    Step("domain removed", "POST domain.delete", {"domainId": "<domain>"}),
    Step("unknown service removed", "POST compose.delete", {"composeId": NOWHERE, "deleteVolumes": True}),
    Step("service removed", "POST compose.delete", {**OF, "deleteVolumes": True}),
    Step("", "POST compose.delete", {"composeId": "<nameless>", "deleteVolumes": True}),
    Step("project removed", "POST project.remove", {"projectId": "<project>"}),
]  # fmt: skip
