# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waits until services work, or says why they do not."""

from __future__ import annotations

from collections.abc import Sequence

from ..stack import Service
from .engine import Container, Project
from .run import LOG_LINES, Run, StepError

_POLL = 0.25
# A service without a health check counts as up when it has stayed up for so long.
_SETTLE = 2.0


def deadline(service: Service) -> float:
    """Seconds after which a service that is not healthy never will be."""
    health = service.health
    if not health:
        return 30
    return health.start_period + health.retries * (health.interval + health.timeout) + 5


def trouble(service: Service, container: Container | None, restarts_before: int = 0) -> str:
    """What is wrong with a service for good; empty for one that works or may yet."""
    if container is None:
        return f"service {service.name} has no container"
    if container.state in ("exited", "dead", "removing"):
        return f"service {service.name} exited with status {container.exit_code}"
    if container.state == "restarting" or container.restarts > restarts_before:
        return f"service {service.name} crashed with status {container.exit_code} and was restarted"
    if container.health == "unhealthy":
        return f"service {service.name} is unhealthy: its health check fails"
    return ""


def ready(service: Service, container: Container, up_for: float) -> bool:
    if not container.running:
        return False
    return container.health == "healthy" if service.health else up_for >= _SETTLE


def wait_healthy(run: Run, project: Project, services: Sequence[Service], before: dict[str, int]) -> None:
    """All services work.

    Args:
        before: Restart counts by container, as they were before the services were started.

    Raises:
        StepError: One crashed, is unhealthy, or took too long; with its last log lines.
    """
    begin = run.clock()
    waiting = list(services)
    while waiting:
        elapsed = run.clock() - begin
        found = {c.service: c for c in run.engine.containers(project.name)}
        for service in list(waiting):
            container = found.get(service.name)
            cause = trouble(service, container, before.get(container.id, 0) if container else 0)
            if not cause and elapsed > deadline(service):
                cause = f"service {service.name} was not healthy after {deadline(service):.0f} s"
            if cause or container is None:
                raise StepError(cause, _last_words(run, container))
            if ready(service, container, elapsed):
                waiting.remove(service)
        if waiting:
            run.sleep(_POLL)


def watch(run: Run, project: Project, services: Sequence[Service], seconds: float) -> None:
    """Services go on working for a while.

    Raises:
        StepError: One stopped, crashed or became unhealthy.
    """
    end = run.clock() + seconds
    before = restarts(run, project)
    while True:
        found = {c.service: c for c in run.engine.containers(project.name)}
        for service in services:
            container = found.get(service.name)
            cause = trouble(service, container, before.get(container.id, 0) if container else 0)
            if cause:
                raise StepError(cause, _last_words(run, container))
        left = end - run.clock()
        if left <= 0:
            return
        run.sleep(min(1.0, left))


def restarts(run: Run, project: Project) -> dict[str, int]:
    return {c.id: c.restarts for c in run.engine.containers(project.name)}


def all_run(run: Run, project: Project, services: Sequence[Service]) -> bool:
    """Whether every service runs right now.

    One that runs and is unhealthy is worth a word and no more: a fresh copy beside it would meet the same trouble,
    most often a host that is short of something.
    """
    found = {c.service: c for c in run.engine.containers(project.name)}
    run.notes += [
        f"Service {c.service} of {project.name} is unhealthy." for c in found.values() if c.health == "unhealthy"
    ]
    return all(s.name in found and found[s.name].running for s in services)


def _last_words(run: Run, container: Container | None) -> str:
    return run.engine.logs(container.id, LOG_LINES) if container else ""
