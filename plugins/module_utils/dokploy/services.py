# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compose services: made, configured, read back and removed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import DokployError, UserError
from .client import Client
from .containers import containers_query
from .environment import (
    check_version,
    describe_change,
    merge,
    needs_quoting_server,
    parse_environment,
    render_environment,
)
from .fingerprint import join_description, split_description
from .lookup import Place
from .projects import Change, delete_service, find
from .source import GitSource, RawSource, changes, check_stored

# Dokploy takes 63 characters, seven of which are its own.
LONGEST_APP_NAME = 56


@dataclass(frozen=True)
class Service:
    """A Compose service as it is to be.

    Attributes:
        variables: Its environment, secrets among them.
        purge: Whether variables that are not listed are removed.
        description: None to leave as it is, like the other optional ones.
        server_id: Of another server that Dokploy manages.
        isolated: Whether its containers are on a network of their own instead of the one that all stacks share.
    """

    source: GitSource | RawSource
    variables: Mapping[str, str] = field(default_factory=dict)
    purge: bool = False
    description: str | None = None
    auto_deploy: bool = False
    isolated: bool = True
    command: str | None = None
    server_id: str | None = None

    def fields(self) -> dict[str, Any]:
        """As Dokploy names it, environment and description aside."""
        optional = {} if self.command is None else {"command": self.command}
        return {
            **self.source.fields(),
            "composeType": "docker-compose",
            "autoDeploy": self.auto_deploy,
            "isolatedDeployment": self.isolated,
            # Without it the environment is dropped on the way, silently.
            "createEnvFile": True,
            **optional,
        }


def app_name_from(name: str) -> str:
    """The beginning of a Compose project's name that says whose it is; empty where the name has nothing for it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST_APP_NAME].rstrip("-")


def check_app_name(name: str) -> str:
    """The name, unless the server would refuse it.

    Raises:
        UserError: It is too long, or has other characters.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) or len(name) > LONGEST_APP_NAME:
        raise UserError(
            f"app_name {name!r} cannot begin a Compose project's name; use lower-case letters, digits, _ and -, "
            f"at most {LONGEST_APP_NAME} characters"
        )
    return name


def locate(client: Client, compose_id: str | None, project: str, environment: str, name: str) -> Place:
    """Where the service is, by its id where that is known, which saves a request."""
    if compose_id:
        return Place(compose_id=compose_id)
    return find(client, project, environment, name)


def read_service(client: Client, compose_id: str, name: str = "") -> Mapping[str, Any]:
    """The whole of `compose.one`.

    Raises:
        UserError: The id leads nowhere, or to a service of another name.
    """
    stored = client.get("compose.one", composeId=compose_id)
    if not isinstance(stored, dict) or stored.get("composeId") != compose_id:
        raise UserError(f"there is no Compose service with id {compose_id} on this server")
    if name and stored.get("name") != name:
        raise UserError(f"compose_id {compose_id} is the service {stored.get('name')!r}, not {name!r}")
    return stored


def ensure_service(client: Client, place: Place, name: str, service: Service, *, app_name: str, check: bool) -> Change:
    """The service exists and is configured so."""
    after = _visible(service.fields()) | {"name": name}
    after["environment"] = describe_change({}, service.variables)[1]
    if place.compose_id is None:
        if check:
            return Change(True, {}, after, {"compose_id": None, "app_name": None})
        if place.environment_id is None:
            raise UserError("the project or environment does not exist; make it with dokploy_environment first")
        compose_id, created = _create(client, place.environment_id, name, service, app_name), True
    else:
        compose_id, created = place.compose_id, False
    stored = read_service(client, compose_id, name)
    if service.server_id and stored.get("serverId") != service.server_id:
        raise UserError(
            f"the service {name!r} is on {stored.get('serverId') or 'the server of Dokploy itself'}, not on server_id "
            f"{service.server_id}, and Dokploy cannot move it; remove it first, or take another name"
        )
    outcome = _configure(client, stored, service, check=check)
    if created:
        outcome.changed = True
        outcome.before, outcome.after = {}, after
    outcome.values = {"compose_id": compose_id, "app_name": stored.get("appName")}
    return outcome


def _create(client: Client, environment_id: str, name: str, service: Service, app_name: str) -> str:
    fields = service.fields()
    body: dict[str, Any] = {key: fields[key] for key in ("sourceType", "composeType", "composeFile") if key in fields}
    if app_name:
        body["appName"] = app_name
    if service.server_id:
        body["serverId"] = service.server_id
    try:
        answer = client.post("compose.create", name=name, environmentId=environment_id, **body)
    except DokployError as error:
        if service.server_id and error.status == 401:
            raise _no_such_server(client, service.server_id)
        raise
    if not isinstance(answer, dict) or not answer.get("composeId"):
        raise UserError(f"Dokploy answered that it made the service {name!r}, but gave it no id")
    return str(answer["composeId"])


def _no_such_server(client: Client, server_id: str) -> UserError:
    """Says which there are, since Dokploy's own pages show no ids."""
    servers = ", ".join(f"{row['serverId']} ({row['name']})" for row in client.get("server.all") or [])
    return UserError(
        f"server_id {server_id} is none of the servers that api_key's owner may use, which are: "
        f"{servers or 'none but Dokploy itself, which needs no server_id'}"
    )


def _configure(client: Client, stored: Mapping[str, Any], service: Service, *, check: bool) -> Change:
    wanted = service.fields()
    description, mark = split_description(stored.get("description"))
    if service.description is not None and service.description != description:
        wanted["description"] = join_description(service.description, mark)
    changed = changes(stored, wanted)
    before_env = parse_environment(stored.get("env"))
    after_env = merge(before_env, service.variables, purge=service.purge)
    environment_changed = before_env != after_env
    env_before, env_after = describe_change(before_env, after_env)
    outcome = Change(
        changed=bool(changed) or environment_changed,
        before=_visible({key: stored.get(key) for key in changed}),
        after=_visible(changed),
    )
    if environment_changed:
        outcome.before["environment"], outcome.after["environment"] = env_before, env_after
    text = render_environment(after_env) if environment_changed else ""
    if not outcome.changed or check:
        return outcome
    if environment_changed:
        special = needs_quoting_server(after_env)
        check_version(client.version() if special else "", special)
    compose_id = stored["composeId"]
    if changed:
        client.post("compose.update", composeId=compose_id, **changed)
    if environment_changed:
        client.post("compose.saveEnvironment", composeId=compose_id, env=text, createEnvFile=True)
    again = read_service(client, compose_id)
    check_stored(again, changed, what="the service")
    if parse_environment(again.get("env")) != after_env:
        raise UserError("Dokploy accepted the environment but did not store it as sent; run again")
    return outcome


def _visible(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != "env"}


def remove_service(client: Client, place: Place, name: str, *, delete_volumes: bool, check: bool) -> Change:
    """The service and its containers are gone; its volumes too where asked for."""
    outcome = Change(values={"compose_id": None, "app_name": None})
    if place.compose_id is None:
        return outcome
    stored = read_service(client, place.compose_id, name)
    outcome.changed = True
    outcome.before = {"name": stored.get("name")}
    if check:
        return outcome
    delete_service(client, place.compose_id, delete_volumes)
    left = client.get("docker.getContainersByAppNameMatch", **containers_query(stored)) or []
    if left:
        names = ", ".join(str(row.get("name")) for row in left)
        raise UserError(f"Dokploy deleted the service {name!r} but left containers running: {names}; remove them")
    return outcome
