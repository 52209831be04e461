# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Limits held against a measured image: gate results, each with the evidence and what to do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..results import GateResult, Status, gate_result
from ..sizes import format_size
from .advice import line
from .limits import Allowance, Limits, exactly
from .report import ImageReport
from .survey import Survey

CHECKS = ("size", "growth", "layers", "wasted", "secrets", "root")
DEFAULT_FAIL_ON = ("size", "growth", "layers", "wasted", "secrets")
_LINES = 5
# The gate `image_secrets` of a release looks at values; this one goes by names.
_IDS = {"secrets": "secret_names"}


@dataclass(frozen=True)
class Reference:
    """What growth is measured from; `size` is None when there is nothing, and `what` says why."""

    what: str
    size: int | None


@dataclass(frozen=True)
class _Judge:
    name: str
    report: ImageReport
    fail_on: Collection[str]

    def result(
        self,
        check: str,
        title: str,
        good: bool,
        measured: object,
        limit: object,
        evidence: list[str],
        advice: list[str],
    ) -> GateResult:
        status: Status = "pass" if good else ("fail" if check in self.fail_on else "warn")
        return gate_result(
            f"image_{_IDS.get(check, check)}.{self.name}",
            title,
            status,
            measured=measured,
            limit=limit,
            evidence=evidence,
            advice=[] if good else advice[:_LINES],
        )


def judge(
    name: str, report: ImageReport, limits: Limits, reference: Reference | None, fail_on: Collection[str]
) -> list[GateResult]:
    """One result for every limit that is set, and for secrets and root, which need none."""
    judges = _Judge(name, report, fail_on)
    results = []
    if limits.size is not None:
        results.append(_size(judges, limits.size))
    if limits.growth is not None and reference is not None:
        results.append(_growth(judges, limits.growth, reference))
    if limits.layers is not None:
        results.append(_layers(judges, limits.layers))
    if limits.wasted is not None and report.survey is not None:
        results.append(_wasted(judges, limits.wasted, report.survey))
    return [*results, _secrets(judges), _root(judges)]


def _advice(report: ImageReport) -> list[str]:
    return [line(item) for item in report.advice] or [
        "look at the largest layers; with analysis: on_fail or always the gate names what to change"
    ]


def _size(judges: _Judge, limit: int) -> GateResult:
    report = judges.report
    measured, shown = exactly(report.size, limit)
    largest = sorted(range(len(report.image.layers)), key=lambda rank: -_stored(report, rank))[:3]
    evidence = [f"{report.size} bytes {report.basis}, limit {limit}, in {len(report.image.layers)} layers"]
    evidence += [
        f"layer {rank + 1}: {format_size(_stored(report, rank))} {report.instructions[rank][:80]}".rstrip()
        for rank in largest
    ]
    over, advice = report.size - limit, _advice(report)
    if over > 0 and report.survey is not None and report.basis == "unpacked":
        evidence += [
            f"largest directory: {format_size(size)} {path}" for size, path in report.survey.largest_directories[:1]
        ]
        advice = [*(advice[: _LINES - 1] if report.advice else []), _reach(report, over)]
    title = f"Size of image {judges.name}"
    return judges.result("size", title, over <= 0, measured, shown, evidence, advice)


def _reach(report: ImageReport, over: int) -> str:
    """Whether all advice together makes up for the bytes over the limit; what it saves may overlap."""
    saved = sum(item["saves"] for item in report.advice)
    if not saved:
        return (
            f"its files hold nothing to leave out: {format_size(over)} of what the image is made of must go, the"
            " largest directories first, or the limit become larger"
        )
    if saved >= over:
        return f"all of this advice together saves at most {format_size(saved)}; the limit needs {format_size(over)}"
    return (
        f"all of this advice together saves at most {format_size(saved)} of the {format_size(over)} that the limit"
        " needs: what the image is made of must become smaller, the largest directories first, or the limit larger"
    )


def _stored(report: ImageReport, rank: int) -> int:
    layer = report.image.layers[rank]
    return (layer.size if report.basis == "unpacked" else layer.compressed) or 0


def _growth(judges: _Judge, limit: Allowance, reference: Reference) -> GateResult:
    title = f"Growth of image {judges.name}"
    if reference.size is None:
        return gate_result(f"image_growth.{judges.name}", title, "skip", evidence=[reference.what])
    growth = judges.report.size - reference.size
    measured, shown = limit.shown(growth, reference.size)
    good = limit.allows(growth, reference.size)
    evidence = [f"{judges.report.size} bytes {judges.report.basis}, {reference.size} in {reference.what}"]
    return judges.result("growth", title, good, measured, shown, evidence, _advice(judges.report))


def _layers(judges: _Judge, limit: int) -> GateResult:
    count = len(judges.report.image.layers)
    advice = ["join RUN and COPY instructions that belong together, or copy the result into a last stage"]
    title = f"Layers of image {judges.name}"
    return judges.result("layers", title, count <= limit, count, limit, [f"{count} layers"], advice)


def _wasted(judges: _Judge, limit: Allowance, found: Survey) -> GateResult:
    whole = judges.report.image.unpacked or 0
    measured, shown = limit.shown(found.wasted, whole)
    good = limit.allows(found.wasted, whole)
    evidence = [f"{found.wasted} of {whole} bytes are overwritten or deleted by later layers"]
    evidence += [
        f"{format_size(size)} {path} of layer {rank + 1}, {why} by layer {hider + 1}"
        for size, (path, rank, hider, why) in found.largest_wasted[:_LINES]
    ]
    title = f"Wasted bytes of image {judges.name}"
    return judges.result("wasted", title, good, measured, shown, evidence, _advice(judges.report))


def _secrets(judges: _Judge) -> GateResult:
    found = judges.report.secrets
    evidence = [f"{secret.name} in {secret.place}" for secret in found] or [
        "no name in ENV, ARG or history suggests one"
    ]
    advice = [
        "pass secrets while building as RUN --mount=type=secret and at run time from outside,"
        " then replace those that were built in"
    ]
    title = f"No secret in the configuration of image {judges.name}"
    return judges.result("secrets", title, not found, len(found), 0, evidence, advice)


def _root(judges: _Judge) -> GateResult:
    root = judges.report.root
    user = (judges.report.image.config.get("config") or {}).get("User") or "root (no USER is set)"
    title = f"Image {judges.name} does not run as root"
    advice = ["end the Dockerfile with USER and an unprivileged user, such as USER 1000"]
    return judges.result("root", title, not root, str(user), "not root", [f"user: {user}"], advice)
