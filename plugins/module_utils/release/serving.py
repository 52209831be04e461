# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release on the server: its stack as it was described, its services up, the edge led to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import EdgeError, UserError
from ..stack import Service, Stack
from ..stack.directory import Deployed, read_description
from ..stack.parse import parse_stack
from .drift import up
from .engine import Project
from .health import restarts, wait_healthy
from .run import Run

# What is still asked of a release that runs as its files say: whom the edge reaches, what stops first, what healthy is.
_ASKED = ("role", "stateful", "port", "health", "order", "secrets", "stop_grace")


def stack_of(run: Run, deployed: Deployed) -> Stack:
    """The stack as a release on disk knew it."""
    content = read_description(run.state.release_directory(deployed.release))
    if not content:
        return run.stack
    description = content["description"]
    try:
        return parse_stack(description)
    except UserError as error:
        refused = error
    try:
        return parse_stack(_as_it_runs(description))
    except (UserError, AttributeError, TypeError):
        raise UserError(
            f"release {deployed.release} was described in a form that this version of the collection does not know"
            f" ({refused}): run the newer version that released it."
        )


def _as_it_runs(description: Mapping[str, Any]) -> dict[str, Any]:
    """An older version took some values that this one refuses; its release is rendered, and needs them no more."""
    services = {
        name: {"image": "as-recorded", **{key: service[key] for key in _ASKED if key in service}}
        for name, service in description["services"].items()
    }
    return {**description, "services": services}


def point_edge(run: Run, deployed: Deployed | None) -> None:
    upstreams = stack_of(run, deployed).upstreams(deployed.colour) if deployed else {}
    run.edge.switch(deployed.colour if deployed else None, upstreams)


def restore(run: Run, deployed: Deployed) -> None:
    """A release that served runs again, as its own files describe it."""
    project = run.project(deployed)
    running = Counter(c.service for c in run.engine.containers(project.name) if c.running)
    # What runs is left alone: Compose might see a reason to recreate it.
    resting = [s for s in stack_of(run, deployed).running if running[s.name] < s.replicas]
    start_services(run, project, resting)


def start_services(run: Run, project: Project, services: Sequence[Service]) -> dict[str, int]:
    """Services are up and work; the restart counts of their containers as they were before.

    Raises:
        StepError: One does not work.
    """
    before = restarts(run, project)
    if services:
        up(run, project, [s.name for s in services])
        wait_healthy(run, project, services, before)
    return before


def strayed(run: Run, deployed: Deployed) -> list[str]:
    """What is to be done about an edge that does not serve the release; nothing where it does."""
    try:
        served = run.edge.serving()
    except EdgeError as trouble:
        return [f"Whom the edge serves is not known: {trouble}."]
    return [] if served == deployed.colour else [f"Point the edge at {deployed.colour} again."]
