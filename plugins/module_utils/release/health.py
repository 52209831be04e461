# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waits until services work, or says why they do not."""

from __future__ import annotations

import http.client
import socket
import string
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..errors import EngineError, StepError
from ..netns import socket_in
from ..stack import Health, Service
from .advice import advice
from .engine import Container, Project
from .run import LOG_LINES, Run

_POLL = 0.1
_BODY = 65536
# A service without a health check counts as up when it has stayed up for so long; one that its description says to
# have none gets longer, since nothing else tells.
_SETTLE, _STAYS = 2.0, 5.0
# Other nodes fetch an image when they are given a task, and that is no time of the service's own.
_FETCH = 900.0


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
    if container.refusal:
        return f"service {service.name} cannot be started on the node {container.refusal}"
    if container.state in ("exited", "dead", "removing"):
        return f"service {service.name} exited with status {container.exit_code}"
    if container.state == "restarting" or container.restarts > restarts_before:
        # Of one that runs again, the engine has forgotten it.
        status = "" if container.running else f" with status {container.exit_code}"
        return f"service {service.name} crashed{status} and was restarted"
    if container.health == "unhealthy":
        return f"service {service.name} is unhealthy: its health check fails"
    return ""


def ready(service: Service, container: Container, up_for: float, host: str = "") -> bool:
    if not container.running:
        return False
    health = service.health
    if not health:
        return up_for >= _SETTLE
    if container.health == "healthy":
        return True
    if health.asked:
        # The engine asks seldom, with a process for each question; where its question is a plain request, this is
        # faster.
        return bool(health.path and not health.command) and answers(service, health, container, host)[0]
    # What the image says counts as well; where that is nothing, staying up does, and listening for what is routed.
    return not container.health and up_for >= _STAYS and (service.role != "web" or _listens(service, container))


def _listens(service: Service, container: Container) -> bool:
    try:
        _connect(container, service.port or 0, 1).close()
    except OSError:
        return False
    return True


def _connect(container: Container, port: int, timeout: float) -> socket.socket:
    if not container.namespace:
        return socket.create_connection((container.address, port), timeout)
    connection = socket_in(container.namespace)
    try:
        connection.settimeout(timeout)
        connection.connect((container.address, port))
    except OSError:
        connection.close()
        raise
    return connection


class _Hurried(socket.socket):
    """A connection whose every wait ends at one moment: an answer that drips is none."""

    end = 0.0

    def recv_into(self, *arguments: Any, **keywords: Any) -> int:
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.settimeout(left)
        return super().recv_into(*arguments, **keywords)


def answers(service: Service, health: Health, container: Container, host: str = "") -> tuple[bool, str]:
    """One real request to a container, as the edge would send it: whether it works, and what was seen.

    Args:
        host: The site's name; an app may refuse requests for another, or redirect what is not https.
    """
    if not container.address:
        return False, "no answer (the container has no address)"
    timeout = max(health.timeout, 1)
    headers = {"Accept": "*/*", "Connection": "close", "X-Forwarded-Proto": "https"}
    headers |= {"Host": host} if host else {}
    connection = http.client.HTTPConnection(container.address, service.port, timeout=timeout)
    try:
        end = time.monotonic() + timeout
        connection.sock = hurried = _Hurried(fileno=_connect(container, service.port or 0, timeout).detach())
        hurried.settimeout(timeout)
        hurried.end = end
        connection.request("GET", quote(health.path, safe=string.punctuation), headers=headers)
        answer = connection.getresponse()
        content = answer.read(_BODY)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return False, f"no answer ({error or type(error).__name__})"
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        target = answer.getheader("Location")
        return False, f"status {answer.status}" + (f", a redirect to {target}" if target else "")
    if answer.length and len(content) < _BODY:
        return False, f"no answer (it ends {answer.length} bytes before its end)"
    if health.expect not in content.decode("utf-8", "replace"):
        return False, f"status {answer.status} without {health.expect!r} in the answer"
    return True, f"status {answer.status}"


def wait_healthy(run: Run, project: Project, services: Sequence[Service], before: Mapping[str, int]) -> None:
    """All services work.

    Args:
        before: Restart counts by container, as they were before the services were started.

    Raises:
        StepError: One crashed, is unhealthy, or took too long; with its last log lines.
    """
    first = begin = run.clock()
    waiting = list(services)
    while waiting:
        found = run.engine.containers(project.name)
        if any(c.state == "preparing" for c in found) and run.clock() - first < _FETCH:
            begin = run.clock()
        elapsed = run.clock() - begin
        for service in list(waiting):
            _refuse_trouble(run, service, found, before)
            slow = [c for c in of_service(found, service) if not ready(service, c, elapsed, run.stack.host(service))]
            if slow and elapsed > deadline(service):
                cause = f"service {service.name} was not healthy after {deadline(service):.0f} s"
                raise _failed(run, service, slow[0], cause)
            if not slow:
                waiting.remove(service)
        if waiting:
            run.sleep(_POLL)


def watch(
    run: Run, project: Project, services: Sequence[Service], seconds: float, before: Mapping[str, int] | None = None
) -> None:
    """Services go on working for a while.

    Args:
        before: Restart counts that are no reason to worry; those of now by default.

    Raises:
        StepError: One stopped, crashed or became unhealthy.
    """
    end = run.clock() + seconds
    if before is None:
        before = restarts(run, project)
    while True:
        found = run.engine.containers(project.name)
        for service in services:
            _refuse_trouble(run, service, found, before)
        left = end - run.clock()
        if left <= 0:
            return
        run.sleep(min(1.0, left))


def of_service(found: Iterable[Container], service: Service) -> list[Container]:
    """The containers of a service, of which it may have several."""
    return [container for container in found if container.service == service.name]


def _refuse_trouble(run: Run, service: Service, found: Sequence[Container], before: Mapping[str, int]) -> None:
    own: list[Container | None] = [*of_service(found, service)]
    for container in own if len(own) >= service.replicas else [*own, None]:
        cause = trouble(service, container, before.get(container.id, 0) if container else 0)
        if cause:
            raise _failed(run, service, container, cause)


def _failed(run: Run, service: Service, container: Container | None, cause: str) -> StepError:
    said = _last_words(run, container)
    return StepError(cause + _last_answer(run, service, container), said, advice(service, container, said))


def restarts(run: Run, project: Project) -> dict[str, int]:
    return {c.id: c.restarts for c in run.engine.containers(project.name)}


def all_run(run: Run, project: Project, services: Sequence[Service]) -> bool:
    """Whether every service runs right now.

    One that runs and is unhealthy is worth a word and no more: a fresh copy beside it would meet the same trouble,
    most often a host that is short of something.
    """
    found = run.engine.containers(project.name)
    run.notes += [f"Service {c.service} of {project.name} is unhealthy." for c in found if c.health == "unhealthy"]
    running = Counter(c.service for c in found if c.running)
    return all(running[s.name] >= s.replicas for s in services)


def _last_answer(run: Run, service: Service, container: Container | None) -> str:
    """What the check saw, where a request can tell: a log of requests that went well explains nothing."""
    health = service.health
    if not container or not container.running or not health or not health.path or health.command:
        return ""
    works, seen = answers(service, health, container, run.stack.host(service))
    return "" if works else f"; GET {health.path} on port {service.port} gives {seen}"


def _last_words(run: Run, container: Container | None) -> str:
    try:
        return run.engine.logs(container.id, LOG_LINES) if container else ""
    except EngineError as trouble:
        # They only explain: without them the cause stands all the same.
        return f"Its log cannot be read: {trouble}"
