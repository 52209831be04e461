# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gates that a release passes, by name; the tables at the end say what each looks at, and so when."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import EngineError, StepError
from ..results import GateResult, gate_result
from ..stack import Health, Service
from . import dockerfile, preflight
from .engine import Container, Image, Project
from .health import answers, of_service
from .run import Run

Gate = Callable[..., list[GateResult]]


@dataclass(frozen=True)
class Logs:
    """What the containers of each service have said, and why that of others is not known."""

    text: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


_LOG_LINES = 5000


def judge(run: Run, results: list[GateResult]) -> None:
    """Keep the results.

    Raises:
        StepError: A gate failed.
    """
    run.gates += results
    for result in results:
        if result["status"] == "fail":
            raise StepError(
                f"gate {result['id']} failed: {result['title']} does not hold",
                "\n".join(result["evidence"]),
                result["advice"][0] if result["advice"] else "",
            )


def look(gates: Mapping[str, Gate], run: Run, *subject: object) -> list[GateResult]:
    """What these gates say of the subject, each at the level that the settings give it; what is off does not look."""
    results = []
    for name, gate in gates.items():
        level = run.settings.level(name)
        for result in gate(run, *subject) if level != "off" else []:
            if level == "warn" and result["status"] == "fail":
                result["status"] = "warn"
            result["evidence"] = [run.redact(line) for line in result["evidence"]]
            results.append(result)
    return results


def server_gates(run: Run) -> list[GateResult]:
    """The gates on the server, before anything is fetched."""
    return look(_SERVER, run)


def build_gates(run: Run, service: Service, path: Path) -> list[GateResult]:
    """The gates on a service's Dockerfile, before it is built."""
    return look(_BUILD, run, service, path)


def image_gates(run: Run, images: Mapping[str, Image]) -> list[GateResult]:
    """The gates on the images, before anything starts."""
    return look(_IMAGES, run, images)


def release_gates(run: Run, project: Project) -> list[GateResult]:
    """The gates on the running release; requests go straight to its containers, past the edge."""
    found = run.engine.containers(project.name)
    logs = Logs()
    for container in found:
        try:
            said = run.engine.logs(container.id, _LOG_LINES)
        except EngineError as trouble:
            logs.unread[container.service] = f"the log of {container.service} cannot be read: {trouble}"
        else:
            logs.text[container.service] = logs.text.get(container.service, "") + said
    return look(_RUNNING, run, found, logs)


def smoke_gates(run: Run, project: Project) -> list[GateResult]:
    """Of the gates on the running release, the one that asks whether it answers."""
    return look({"smoke": _smoke}, run, run.engine.containers(project.name), Logs())


def smoke(service: Service, health: Health, container: Container, host: str = "") -> GateResult:
    """One real request to the new container."""
    works, seen = answers(service, health, container, host)
    return gate_result(
        f"smoke.{service.name}",
        f"{service.name} answers {health.path}",
        "pass" if works else "fail",
        measured=seen,
        limit=f"status 200 with {health.expect!r}" if health.expect else "status 200",
        evidence=[f"GET {health.path} on port {service.port}: {seen}"],
    )


def log_patterns(service: Service, log: str) -> GateResult:
    """No line that the stack calls a sign of failure: some apps report healthy over a failed upgrade."""
    hits = [line for line in log.splitlines() for p in service.fail_on_log if re.search(p, line)]
    return gate_result(
        f"log_patterns.{service.name}",
        f"{service.name} logs no sign of failure",
        "fail" if hits else "pass",
        measured=len(hits),
        limit=0,
        evidence=hits[:5],
        advice=[f"These lines match stack_services.{service.name}.fail_on_log."] if hits else [],
    )


def _disk(run: Run) -> list[GateResult]:
    return [preflight.disk(preflight.free_bytes(run), run.settings.minimum_free)]


def _memory(run: Run) -> list[GateResult]:
    return [preflight.memory(run, preflight.meminfo())]


def _dockerfile(run: Run, service: Service, path: Path) -> list[GateResult]:
    target = service.build.target if service.build else ""
    return [dockerfile.check(path, target, service.name, run.settings.hadolint)]


# What judges images and searches logs is half of the collection: a run that finds nothing to do does not load it.
def _image_size(run: Run, images: Mapping[str, Image]) -> list[GateResult]:
    from . import imagechecks

    return [imagechecks.size(run, s, images[s.name]) for s in run.stack.released if s.max_size]


def _image_secrets(run: Run, images: Mapping[str, Image]) -> list[GateResult]:
    from . import imagechecks

    return [imagechecks.secrets(run, s, images[s.name]) for s in run.stack.released]


def _smoke(run: Run, found: Sequence[Container], logs: Logs) -> list[GateResult]:
    return [
        smoke(s, s.health, container, run.stack.host(s))
        for s in run.stack.web
        if s.health and s.health.path
        for container in of_service(found, s)
    ]


def _log_patterns(run: Run, found: Sequence[Container], logs: Logs) -> list[GateResult]:
    asked = [s for s in run.stack.released if s.fail_on_log]
    return [_unread(log_patterns(s, logs.text.get(s.name, "")), logs, s.name) for s in asked]


def _log_secrets(run: Run, found: Sequence[Container], logs: Logs) -> list[GateResult]:
    from . import imagechecks

    result = imagechecks.leaks("log_secrets", run, logs.text)
    result["title"] = "No secret stands in the new containers' logs"
    return [_unread(result, logs, *logs.unread)]


def _unread(result: GateResult, logs: Logs, *services: str) -> GateResult:
    """A result for which a log was wanted that the engine does not give: no verdict of a log that nobody read."""
    missing = [logs.unread[name] for name in services if name in logs.unread]
    if missing:
        result["status"] = "warn" if result["status"] == "pass" else result["status"]
        result["evidence"] = [*result["evidence"], *missing]
        result["advice"] = [*result["advice"], "A log driver that can be read, such as stack_logging: {driver: local}."]
    return result


_SERVER: dict[str, Gate] = {"disk": _disk, "memory": _memory}
_BUILD: dict[str, Gate] = {"dockerfile": _dockerfile}
_IMAGES: dict[str, Gate] = {"image_size": _image_size, "image_secrets": _image_secrets}
_RUNNING: dict[str, Gate] = {"smoke": _smoke, "log_patterns": _log_patterns, "log_secrets": _log_secrets}
GATES = (*_SERVER, *_BUILD, *_IMAGES, *_RUNNING)
"""The names that settings give levels to, in the order in which the gates look."""
