# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gates that a release passes: on its images, and on its running containers before the switch."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .. import secretscan
from ..errors import StepError
from ..results import GateResult, gate_result
from ..secretscan import report
from ..sizes import format_size, parse_size
from ..stack import Health, Service
from .engine import Container, Image, Project
from .health import answers
from .run import Run

_LOG_LINES = 5000


def judge(run: Run, results: list[GateResult]) -> None:
    """Keep the results, at the level that the settings give each gate.

    Raises:
        StepError: A gate failed.
    """
    levelled = [_at_level(run, r) for r in results]
    kept = [r for r in levelled if r is not None]
    run.gates += kept
    for result in kept:
        if result["status"] == "fail":
            raise StepError(
                f"gate {result['id']} failed: {result['title']} does not hold",
                "\n".join(result["evidence"]),
                result["advice"][0] if result["advice"] else "",
            )


def image_gates(run: Run, images: Mapping[str, Image]) -> list[GateResult]:
    services = run.stack.released
    results = [image_size(s, images[s.name]) for s in services if s.max_size]
    if run.settings.level("image_secrets") != "off":
        texts = {f"image of {s.name}": "\n".join(run.engine.history(images[s.name])) for s in services}
        results.append(_leaks("image_secrets", "No secret stands in the images' history or environment", run, texts))
    return results


def image_size(service: Service, image: Image) -> GateResult:
    limit = parse_size(service.max_size, f"stack_services.{service.name}.max_size")
    fits = image.size <= limit
    return gate_result(
        f"image_size.{service.name}",
        f"The image of {service.name} is at most {format_size(limit)}",
        "pass" if fits else "fail",
        measured=image.size,
        limit=limit,
        evidence=[f"{image.reference}: {format_size(image.size)} unpacked"],
        advice=[] if fits else ["Run the image_size_gate module on it: it lists the layers, and what would save most."],
    )


def release_gates(run: Run, project: Project) -> list[GateResult]:
    """The gates on the running release; requests go straight to its containers, past the edge."""
    found = {c.service: c for c in run.engine.containers(project.name)}
    results = [
        smoke(s, s.health, found[s.name], run.stack.domain)
        for s in run.stack.web
        if s.health and s.health.path and s.name in found
    ]
    logs = {c.service: run.engine.logs(c.id, _LOG_LINES) for c in found.values()}
    results += [log_patterns(s, logs.get(s.name, "")) for s in run.stack.released if s.fail_on_log]
    if run.settings.level("log_secrets") != "off":
        results.append(_leaks("log_secrets", "No secret stands in the new containers' logs", run, logs))
    return results


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


def _leaks(id: str, title: str, run: Run, texts: Mapping[str, str]) -> GateResult:
    """Neither the deployment's own secrets, in whatever encoding, nor credentials of known forms."""
    found = secretscan.run(secretscan.Options(texts=dict(texts), secrets=run.secrets))
    result = report.gate(found, id, fail_on="high", keywords="off")
    result["title"] = title
    return result


def _at_level(run: Run, result: GateResult) -> GateResult | None:
    level = run.settings.level(result["id"].partition(".")[0])
    if level == "off":
        return None
    if level == "warn" and result["status"] == "fail":
        result["status"] = "warn"
    result["evidence"] = [run.redact(line) for line in result["evidence"]]
    return result
