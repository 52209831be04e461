# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gates on images, by the same measure and in the same words as the gate that stands alone and the report."""

from __future__ import annotations

from collections.abc import Mapping

from .. import secretscan
from ..imagegate.archive import read_archive
from ..imagegate.engine import with_sizes
from ..imagegate.gate import local_platform
from ..imagegate.judge import judge
from ..imagegate.limits import Limits, exactly
from ..imagegate.model import fitting
from ..imagegate.report import measure
from ..results import GateResult, gate_result
from ..secretscan import report
from ..secretvalues.history import named_secrets
from ..sizes import parse_size
from ..stack import Service
from .engine import Image
from .run import Run


def size(run: Run, service: Service, image: Image) -> GateResult:
    """The bytes of all files of all layers; one that is too large is told with its layers and what would save most."""
    limit = parse_size(service.max_size, f"stack_services.{service.name}.max_size")
    counts_files = run.engine.counts_files()
    if counts_files and image.size <= limit:
        evidence = [f"{image.size} bytes unpacked, limit {limit}"]
        measured, shown = exactly(image.size, limit)
        title = f"Size of image {service.name}"
        return gate_result(
            f"image_size.{service.name}", title, "pass", measured=measured, limit=shown, evidence=evidence
        )
    saved = read_archive(run.engine.archive(image), f"what the engine saves of {image.reference}")
    found = fitting(saved, local_platform(), image.reference)[0]
    if counts_files:
        found = with_sizes(found, run.engine.papers(image)["history"])
    return judge(service.name, measure(found, "unpacked"), Limits(size=limit), None, ("size",))[0]


def secrets(run: Run, service: Service, image: Image) -> GateResult:
    """Neither a value of the vault's, nor a credential of a known form, nor a name that promises one."""
    papers = run.engine.papers(image)
    lines = [entry["created_by"] for entry in papers["history"]] + papers["config"]["Env"]
    result = leaks(f"image_secrets.{service.name}", run, {f"image of {service.name}": "\n".join(lines)})
    result["title"] = f"No secret in the configuration of image {service.name}"
    named = named_secrets(papers)
    if named:
        result["status"] = "fail"
        result["measured"] = max(int(result["measured"]), len(named))
        result["evidence"] = [f"{name} in {place}" for name, place in named] + result["evidence"]
        result["advice"] = [
            "pass secrets while building as RUN --mount=type=secret and at run time from outside,"
            " then replace those that were built in",
            *result["advice"],
        ]
    return result


def leaks(id: str, run: Run, texts: Mapping[str, str]) -> GateResult:
    """Neither the deployment's own secrets, in whatever encoding, nor credentials of known forms."""
    found = secretscan.run(secretscan.Options(texts=dict(texts), secrets=run.secrets))
    return report.gate(found, id, fail_on="high", keywords="off")
