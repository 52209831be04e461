# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Finds things by name on a server where no name is unique."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UserError

Row = Mapping[str, Any]


def find_one(rows: Iterable[Row], name: str, *, kind: str, id_key: str) -> Row | None:
    """The row of exactly this name, or None.

    Raises:
        UserError: More than one has the name; guessing would change the wrong one.
    """
    found = [row for row in rows if row.get("name") == name]
    if len(found) > 1:
        ids = ", ".join(str(row.get(id_key)) for row in found)
        raise UserError(
            f"{len(found)} {kind}s are named {name!r} (ids {ids}), since Dokploy does not keep names unique; "
            "rename or delete all but one"
        )
    return found[0] if found else None


@dataclass(frozen=True)
class Place:
    """Where a Compose service is, or would be; an id is None for what does not exist yet."""

    project_id: str | None = None
    environment_id: str | None = None
    compose_id: str | None = None
    project: Row = field(default_factory=dict)
    environment: Row = field(default_factory=dict)


def find_place(projects: Iterable[Row], project: str, environment: str = "", compose: str = "") -> Place:
    """Walk the answer of `project.all` down to the names given, as far as they exist."""
    project_row = find_one(projects, project, kind="project", id_key="projectId")
    if project_row is None:
        return Place()
    place = Place(project_id=project_row["projectId"], project=project_row)
    if not environment:
        return place
    environments = project_row.get("environments") or []
    environment_row = find_one(environments, environment, kind="environment", id_key="environmentId")
    if environment_row is None:
        return place
    services = environment_row.get("compose") or []
    service = find_one(services, compose, kind="Compose service", id_key="composeId") if compose else None
    return Place(
        project_id=place.project_id,
        environment_id=environment_row["environmentId"],
        compose_id=service["composeId"] if service else None,
        project=project_row,
        environment=environment_row,
    )


# Everything that Dokploy keeps in an environment, besides Compose services.
OTHER_SERVICES = ("applications", "libsql", "mariadb", "mongo", "mysql", "postgres", "redis")


def other_services(environment: Row) -> list[str]:
    """Names of what an environment holds that is not a Compose service, such as `main (postgres)`."""
    return [f"{row.get('name') or '?'} ({kind})" for kind in OTHER_SERVICES for row in environment.get(kind) or []]


def names(projects: Iterable[Row]) -> list[dict[str, Any]]:
    """What there is, by name, without ids or environment variables."""
    return [
        {
            "name": project.get("name"),
            "environments": [
                {
                    "name": environment.get("name"),
                    "services": [service.get("name") for service in environment.get("compose") or []],
                }
                for environment in project.get("environments") or []
            ],
        }
        for project in projects
    ]
