# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Projects and environments: made, described and removed so that nothing is left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UserError
from .client import Client
from .lookup import Place, Row, find_place, other_services
from .source import changes, check_stored

STOP_TIMEOUT = 300


@dataclass
class Change:
    """What a module did, or would do."""

    changed: bool = False
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def result(self, **more: Any) -> dict[str, Any]:
        """As a module returns it."""
        return {
            "changed": self.changed,
            "diff": {"before": self.before, "after": self.after},
            **self.values,
            **more,
        }


def find(client: Client, project: str, environment: str = "", compose: str = "") -> Place:
    """Ask the server, once, where the names lead."""
    return find_place(client.get("project.all") or [], project, environment, compose)


def ensure_project(client: Client, name: str, description: str | None, *, check: bool) -> Change:
    """The project exists and is described so."""
    wanted: dict[str, Any] = {} if description is None else {"description": description}
    place = find(client, name)
    if place.project_id is None:
        outcome = Change(True, {}, {"name": name, **wanted})
        if not check:
            client.post("project.create", name=name, **wanted)
            place = find(client, name)
            if place.project_id is None:
                raise UserError(f"Dokploy answered that it made project {name!r}, but does not list it")
            check_stored(place.project, wanted, what=f"project {name!r}")
    else:
        changed = changes(place.project, wanted)
        outcome = Change(bool(changed), _pick(place.project, changed), changed)
        if changed and not check:
            client.post("project.update", projectId=place.project_id, **changed)
            check_stored(find(client, name).project, changed, what=f"project {name!r}")
    outcome.values = _project_values(place)
    return outcome


def remove_project(client: Client, name: str, *, delete_volumes: bool, only_empty: bool, check: bool) -> Change:
    """The project is gone, and its containers first, which removing the project alone would leave running."""
    place = find(client, name)
    outcome = Change(values=_project_values(Place()))
    if place.project_id is None:
        return outcome
    environments = place.project.get("environments") or []
    if only_empty and any(other_services(e) or _service_names(e) for e in environments):
        outcome.values = _project_values(place)
        return outcome
    _refuse_others(f"project {name!r}", environments)
    outcome.changed = True
    outcome.before = {"name": name, "services": [s for e in environments for s in _service_names(e)]}
    if not check:
        _delete_services(client, environments, delete_volumes)
        client.post("project.remove", projectId=place.project_id)
        if find(client, name).project_id is not None:
            raise UserError(f"Dokploy answered that it removed project {name!r}, but still lists it")
    return outcome


def ensure_environment(client: Client, project: str, name: str, description: str | None, *, check: bool) -> Change:
    """The environment exists in the project and is described so."""
    place = find(client, project, name)
    if place.project_id is None and not check:
        raise UserError(f"there is no project {project!r} on this server; make it with dokploy_project first")
    wanted: dict[str, Any] = {} if description is None else {"description": description}
    if place.environment_id is None:
        outcome = Change(True, {}, {"name": name, **wanted})
        if not check:
            client.post("environment.create", name=name, projectId=place.project_id, **wanted)
            place = find(client, project, name)
            if place.environment_id is None:
                raise UserError(f"Dokploy answered that it made environment {name!r}, but does not list it")
    else:
        # The list of projects leaves descriptions out.
        stored = client.get("environment.one", environmentId=place.environment_id) if wanted else {}
        changed = changes(stored, wanted)
        outcome = Change(bool(changed), _pick(stored, changed), changed)
        if changed and not check:
            client.post("environment.update", environmentId=place.environment_id, **changed)
            stored = client.get("environment.one", environmentId=place.environment_id)
            check_stored(stored, changed, what=f"environment {name!r}")
    outcome.values = {"project_id": place.project_id, "environment_id": place.environment_id}
    return outcome


def remove_environment(client: Client, project: str, name: str, *, delete_volumes: bool, check: bool) -> Change:
    """The environment is gone with all its Compose services."""
    place = find(client, project, name)
    outcome = Change(values={"project_id": place.project_id, "environment_id": None})
    if place.environment_id is None:
        return outcome
    if place.environment.get("isDefault"):
        raise UserError(f"{name!r} is the default environment of {project!r}, which Dokploy keeps; remove the project")
    _refuse_others(f"environment {name!r}", [place.environment])
    outcome.changed = True
    outcome.before = {"name": name, "services": _service_names(place.environment)}
    if not check:
        _delete_services(client, [place.environment], delete_volumes)
        client.post("environment.remove", environmentId=place.environment_id)
        if find(client, project, name).environment_id is not None:
            raise UserError(f"Dokploy answered that it removed environment {name!r}, but still lists it")
    return outcome


def _pick(row: Row, names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row.get(name) for name in names}


def _project_values(place: Place) -> dict[str, Any]:
    environments = place.project.get("environments") or []
    return {
        "project_id": place.project_id,
        "environments": [
            {"name": e.get("name"), "environment_id": e.get("environmentId"), "services": _service_names(e)}
            for e in environments
        ],
    }


def _service_names(environment: Row) -> list[str]:
    return [str(service.get("name")) for service in environment.get("compose") or []]


def _refuse_others(what: str, environments: list[Row]) -> None:
    others = [name for environment in environments for name in other_services(environment)]
    if others:
        raise UserError(
            f"{what} also holds {', '.join(others)}, which this collection does not manage; "
            "move or delete them in Dokploy first"
        )


def delete_service(client: Client, compose_id: str, delete_volumes: bool) -> None:
    """Stop and delete a Compose service; containers take their time to stop."""
    timeout = max(client.server.timeout, STOP_TIMEOUT)
    client.post("compose.delete", timeout=timeout, composeId=compose_id, deleteVolumes=delete_volumes)


def _delete_services(client: Client, environments: list[Row], delete_volumes: bool) -> None:
    for environment in environments:
        for service in environment.get("compose") or []:
            delete_service(client, service["composeId"], delete_volumes)
