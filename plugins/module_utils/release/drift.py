# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers as they were started, held against those that there are: what somebody changed by hand.

What Compose made of a container's description is a label of it. It is noted when a container starts: what Compose
would make of the same file later depends on its version, and on which services it was asked to start together.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from ..files import write_whole
from ..stack import Service
from .engine import Container, Project
from .health import of_service
from .run import Run

_NOTE = ".containers.json"


Notes = dict[str, list[str]]
"""A container's name → its image, what Compose made of its description, and what it was granted."""


def up(run: Run, project: Project, services: Sequence[str], before: Notes | None = None) -> None:
    """Services run as the project's files say, and how their containers came out is noted beside these.

    Args:
        before: The notes by which they were started, where these do not lie beside the files any more.
    """
    noted = notes(project) if before is None else before
    otherwise = {c.service for c in run.engine.containers(project.name) if _granted_otherwise(c, noted.get(c.name))}
    run.engine.up(project, services)
    # Compose leaves alone what it made of the same file, whatever it was granted since.
    if anew := [service for service in services if service in otherwise]:
        run.engine.up(project, anew, anew=True)
    found = [c for c in run.engine.containers(project.name) if c.service in services]
    made = {c.name: [c.image, c.config_hash, c.granted] for c in found}
    # On a full disk they run all the same; the next run starts anew what seems changed.
    with contextlib.suppress(OSError):
        write_whole(project.directory / _NOTE, json.dumps(notes(project) | made, sort_keys=True))


def changed_by_hand(run: Run, project: Project, services: Sequence[Service]) -> list[str]:
    """What of services is not as they were started, a sentence each."""
    noted, found = notes(project), run.engine.containers(project.name)
    said = []
    for service in services:
        own = of_service(found, service)
        running = [c for c in own if c.running]
        if len(running) < service.replicas:
            states = ", ".join(f"{c.name} is {c.state}" for c in own if not c.running) or "no container of it is there"
            of = f" {len(running)} of {service.replicas} run;" if running else ""
            said.append(f"Service {service.name} of {project.name} does not run as it was released:{of} {states}.")
        said += [
            f"Service {service.name} of {project.name} does not run as it was released: {c.name} {how}."
            for c in running
            if (how := _differs(c, noted.get(c.name)))
        ]
    return said


def _differs(container: Container, noted: list[str] | None) -> str:
    """How a container is another than the one that was started under its name; empty where that is not known."""
    if not noted:
        return ""
    image, config_hash = noted[:2]
    if container.image != image:
        return f"runs another image ({container.reference or container.image})"
    if container.config_hash != config_hash:
        return "was made anew with other settings"
    return "has other limits or another restart policy" if _granted_otherwise(container, noted) else ""


def _granted_otherwise(container: Container, noted: list[str] | None) -> bool:
    # An older version noted nothing of it.
    return noted is not None and noted[2:] not in ([], [container.granted])


def notes(project: Project) -> Notes:
    """Of the containers that were started from the project's files; none where an older version did."""
    place: Path = project.directory / _NOTE
    try:
        return dict(json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
