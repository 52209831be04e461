# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every image is on the server, and known by its id, before anything that runs is touched."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path

from ..errors import EngineError, StepError
from ..stack import Build, Service
from . import dockerfile, sources
from .checks import build_gates, judge
from .engine import Image
from .run import Run

# Other names of the same.
_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64"}
_CARRY = "The role compose_stack carries it; where the module is called alone, call stack_images before."
_SECRET_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def resolve(run: Run) -> dict[str, Image]:
    """The image of each service, pulled or built where that is needed.

    Raises:
        StepError: An image cannot be had.
    """
    log = run.state.build_log
    log.unlink(missing_ok=True)
    images: dict[str, Image] = {}
    for service in run.stack.services.values():
        if service.built_on_controller:
            images[service.name] = _carried(run, service)
        elif service.build:
            images[service.name] = built(run, service, service.build, log)
        else:
            images[service.name] = _fetched(run, service)
    return images


def present(run: Run) -> dict[str, Image | None]:
    """What is on the server already: enough for a plan."""
    return {s.name: _present(run, s, build_tag(run, s) if s.build else s.image) for s in run.stack.services.values()}


def name_on_server(run: Run, service: str, reference: str) -> str:
    """A tag for an image that no registry gave; a digest cannot be given as a name, a tag that spells it can."""
    digest = reference.partition("@sha256:")[2]
    return f"sluice/{run.stack.name}-{service}:{digest}" if digest else reference


def _present(run: Run, service: Service, reference: str) -> Image | None:
    """The image that is there, where it is one for the platform that the service asks for."""
    found = run.engine.image(reference)
    return found if found and _fits(found.platform, _platform(service)) else None


def _platform(service: Service) -> str:
    return str(service.runtime.get("platform") or "")


def _fits(there: str, asked: str) -> bool:
    wanted = [_ARCHITECTURES.get(part, part) for part in asked.lower().split("/")]
    return not asked or not there or there.split("/")[: len(wanted)] == wanted


def _fetched(run: Run, service: Service) -> Image:
    where = f"stack_services.{service.name}.image"
    platform = _platform(service)
    names = (service.image, name_on_server(run, service.name, service.image)) if service.pull != "always" else ()
    found = next((image for name in names if (image := _present(run, service, name))), None)
    if found:
        return replace(found, reference=service.image)
    of = f" for {platform}" if platform else ""
    if service.pull == "never":
        raise StepError(f"{where}: {service.image}{of} is not on the server, and pull: never forbids to fetch it")
    if service.pull == "controller":
        raise StepError(
            f"{where}: {service.image}{of} was not carried to the server, as pull: controller says it is",
            advice=_CARRY,
        )
    try:
        return run.engine.pull(service.image, platform)
    except EngineError as error:
        raise StepError(
            f"{where}: {service.image}{of} cannot be pulled: {_last(str(error))}",
            advice="Check the name and the tag, and for a private registry its login in docker_host_registries.",
        )


def _carried(run: Run, service: Service) -> Image:
    """What the controller has built and sent."""
    found = _present(run, service, build_tag(run, service))
    if not found:
        raise StepError(f"stack_services.{service.name}.build: no image was carried to the server", advice=_CARRY)
    return found


def built(run: Run, service: Service, build: Build, log: Path) -> Image:
    """
    Raises:
        StepError: It does not build, or its Dockerfile does not pass.
    """
    where = f"stack_services.{service.name}.build"
    for name in build.secrets:
        if not _SECRET_ID.fullmatch(name):
            raise StepError(f"{where}.secrets: {name!r} is no id: use letters, digits, dots, dashes and underscores")
    context = sources.checkout(run, service, build)
    ignore = context / ".dockerignore"
    if build.git:
        root = run.state.sources / context.relative_to(run.state.sources).parts[0]
        for setting, place in (("context", context), ("dockerfile", context / build.dockerfile), ("context", ignore)):
            sources.stays_within(root, place, f"{where}.{setting}")
    if not (context / build.dockerfile).is_file():
        raise StepError(f"{where}: there is no {build.dockerfile} in {context}")
    if build.write_dockerignore and not ignore.exists():
        ignore.write_text(dockerfile.DOCKERIGNORE, encoding="utf-8")
    path = context / build.dockerfile
    judge(run, build_gates(run, service, path))
    values = {k: run.secrets[v] for k, v in build.secrets.items() if not v.startswith("/")}
    paths = {k: Path(v) for k, v in build.secrets.items() if v.startswith("/")}
    directory, files = _secret_files(values)
    with directory:
        try:
            secrets = {**paths, **files}
            return run.engine.build(build, context, build_tag(run, service), secrets, log, _platform(service))
        except EngineError as error:
            raise StepError(
                f"the image of service {service.name} does not build",
                str(error),
                f"Read {log} on the server.",
            )


def _secret_files(values: dict[str, str]) -> tuple[tempfile.TemporaryDirectory[str], dict[str, Path]]:
    """Build secrets as files that only this run can read; the directory removes itself."""
    directory = tempfile.TemporaryDirectory(prefix="sluice-build-")
    files = {}
    for name, value in values.items():
        files[name] = Path(directory.name) / name
        files[name].touch(mode=0o600)
        files[name].write_text(value, encoding="utf-8")
    return directory, files


def build_tag(run: Run, service: Service) -> str:
    """What an image is called when it has been built."""
    return f"sluice/{run.stack.name}-{service.name}:build"


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
