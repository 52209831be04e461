# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gate as a whole: which images, from where, held against which limits."""

from __future__ import annotations

import platform as machine
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import UserError, nearest
from ..results import GateResult
from . import archive, engine, reference, registry
from .judge import Reference, judge
from .limits import Limits, parse_limits
from .model import Image, fitting
from .report import ImageReport, as_data, measure

LIMIT_KEYS = ("max_size", "max_growth", "max_layers", "max_wasted", "reference")
_WANTED_KEYS = ("image", "name", *LIMIT_KEYS)
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7"}


class Source(Protocol):
    """Where images come from."""

    def load(self, name: str, platform: str, files: bool) -> list[Image]: ...


@dataclass(frozen=True)
class Wanted:
    """An image to judge. `reference` is the image that growth is measured from."""

    image: str
    name: str
    limits: Limits
    reference: str | Reference | None = None


@dataclass(frozen=True)
class Settings:
    """How to look. `analysis` is always, on_fail or never."""

    basis: str = "unpacked"
    platform: str = ""
    analysis: str = "always"
    fail_on: Collection[str] = ()
    top: int = 10


@dataclass
class GateOutcome:
    """What the gate found, as plain data."""

    results: list[GateResult] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)


class Archives:
    """Archives on disk; an image's name is the archive's path."""

    def load(self, name: str, platform: str, files: bool) -> list[Image]:
        return fitting(archive.read_file(name), platform or "all", f"archive {name}")


def run(options: dict[str, Any]) -> GateOutcome:
    """Judge what the module's options ask for.

    Raises:
        UserError: An option is wrong, or an image cannot be looked at.
    """
    parse_limits(options)
    outcome = GateOutcome()
    settings = Settings(**{key: options[key] for key in ("basis", "platform", "analysis", "fail_on", "top")})
    source, names = _source(options)
    if isinstance(source, engine.ImageEngine) and not source.containerd_store and settings.basis == "compressed":
        raise UserError(
            "basis: this engine keeps layers unpacked only and cannot tell the compressed size;"
            " use source: registry, or basis: unpacked"
        )
    if options["source"] == "registry" and not settings.platform:
        settings = Settings(**{**vars(settings), "platform": local_platform()})
    for wanted in wanted_images(options, names, source):
        examine(source, wanted, settings, outcome)
    if not outcome.images:
        raise UserError("images: the list is empty, so that there is nothing to measure; name at least one image")
    return outcome


def _source(options: dict[str, Any]) -> tuple[Source, list[Any]]:
    if options.get("archive"):
        return Archives(), [options["archive"]]
    if options["source"] == "registry":
        return registry.Registry(options), options["images"]
    connected = engine.connect(options)
    if not options.get("project"):
        return connected, options["images"]
    services = connected.project_images(options["project"])
    if not services:
        hint = nearest(options["project"], connected.projects())
        raise UserError(f"project: the engine has neither containers nor images of {options['project']!r}{hint}")
    return connected, [{"image": image, "name": name} for name, image in sorted(services.items())]


def wanted_images(options: dict[str, Any], items: Sequence[Any], source: Source) -> list[Wanted]:
    """Each image with its own limits where it has some, else with those for all."""
    wanted, names = [], set()
    for item in items:
        own = item if isinstance(item, dict) else {"image": item}
        for key in own:
            if key not in _WANTED_KEYS:
                raise UserError(f"images: unknown key {key!r}{nearest(str(key), _WANTED_KEYS)}")
        image = str(own.get("image") or "")
        if not image:
            raise UserError("images: an entry lacks the key image, the image's reference or id")
        values = {key: own.get(key) if own.get(key) is not None else options.get(key) for key in LIMIT_KEYS}
        name = str(own.get("name") or _name(image))
        name = name if name not in names else image
        names.add(name)
        limits = parse_limits(values)
        wanted.append(Wanted(image, name, limits, _reference(values["reference"], image, limits, options, source)))
    return wanted


def _name(image: str) -> str:
    if image.startswith("sha256:"):
        return image[7:19]
    if "/" in image and image.endswith((".tar", ".tar.gz", ".tgz")):
        return image.rpartition("/")[2].partition(".")[0]
    try:
        return reference.parse(image).short_name
    except UserError:
        return image


def _reference(
    named: Any, image: str, limits: Limits, options: dict[str, Any], source: Source
) -> str | Reference | None:
    """What growth is measured from: the image named, or the one of the same repository that a project runs."""
    if limits.growth is None:
        return None
    if named:
        return str(named)
    project = options.get("reference_project")
    if not project:
        raise UserError("max_growth: set reference or reference_project, so that there is something to grow from")
    if not isinstance(source, engine.ImageEngine):
        raise UserError("reference_project: only an engine knows what runs; use source: engine, or reference")
    repository = reference.parse(image).repository
    for started_from, id in source.running(project):
        if not started_from.startswith("sha256:") and reference.parse(started_from).repository == repository:
            return id
    return Reference(f"nothing of {repository} runs in project {project} yet", None)


def local_platform() -> str:
    """The platform of the machine that the gate runs on."""
    name = machine.machine()
    return f"linux/{_MACHINES.get(name, name)}"


def examine(source: Source, wanted: Wanted, settings: Settings, outcome: GateOutcome) -> None:
    """Measure one image, judge it, and look at its files when that is asked for."""
    must_look = settings.analysis == "always" or wanted.limits.wasted is not None
    from_files = settings.basis == "unpacked" and isinstance(source, registry.Registry)
    images = source.load(wanted.image, settings.platform, must_look or from_files)
    for image in images:
        name = wanted.name if len(images) == 1 else f"{wanted.name}-{image.platform.replace('/', '-')}"
        report = measure(image, settings.basis, settings.top)
        compared = _measured_reference(source, wanted.reference, image, settings)
        results = judge(name, report, wanted.limits, compared, settings.fail_on)
        bad = any(result["status"] in ("warn", "fail") for result in results)
        if bad and report.survey is None and settings.analysis == "on_fail":
            again = source.load(wanted.image, image.platform, True)[0]
            report = measure(again, settings.basis, settings.top)
            results = judge(name, report, wanted.limits, compared, settings.fail_on)
        outcome.results += results
        outcome.images.append(_entry(name, wanted, compared, report))


def _measured_reference(
    source: Source, named: str | Reference | None, image: Image, settings: Settings
) -> Reference | None:
    if not isinstance(named, str):
        return named
    from_files = settings.basis == "unpacked" and isinstance(source, registry.Registry)
    known = source.load(named, image.platform, from_files)[0]
    return Reference(named, measure(known, settings.basis).size)


def _entry(name: str, wanted: Wanted, compared: Reference | None, report: ImageReport) -> dict[str, Any]:
    return {
        "name": name,
        "image": wanted.image,
        "limit": wanted.limits.size,
        "reference": compared.what if compared else None,
        "reference_size": compared.size if compared else None,
        **as_data(report),
    }
