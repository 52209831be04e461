# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every image is on the server, and known by its id, before anything that runs is touched."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from pathlib import Path

from ..errors import EngineError, StepError
from ..stack import Build, Service
from . import dockerfile
from .checks import build_gates, judge
from .engine import Image
from .run import Run

_GIT_TIMEOUT = 600
# A submodule may not be copied from a directory of the server, whatever the server's own settings say.
_NO_FILES = ("-c", "protocol.file.allow=never")
_ACCOUNT = re.compile(r"(?<=://)[^/\s]*@|[^/\s'\"]+:[^/\s'\"]+@")
_SECRET_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")


def resolve(run: Run) -> dict[str, Image]:
    """The image of each service, pulled or built where that is needed.

    Raises:
        StepError: An image cannot be had.
    """
    log = run.state.build_log
    log.unlink(missing_ok=True)
    images: dict[str, Image] = {}
    for service in run.stack.services.values():
        if service.build:
            images[service.name] = _built(run, service, service.build, log)
        else:
            images[service.name] = _fetched(run, service)
    return images


def present(run: Run) -> dict[str, Image | None]:
    """What is on the server already: enough for a plan."""
    return {s.name: run.engine.image(_build_tag(run, s) if s.build else s.image) for s in run.stack.services.values()}


def source_directory(run: Run, build: Build) -> Path:
    """Where a build's context lies on the server."""
    if not build.git:
        return Path(build.context)
    checkout = run.state.sources / hashlib.sha256(f"{build.git} {build.ref}".encode()).hexdigest()[:12]
    return checkout / build.context


def _fetched(run: Run, service: Service) -> Image:
    where = f"stack_services.{service.name}.image"
    found = run.engine.image(service.image) if service.pull != "always" else None
    if found:
        return found
    if service.pull == "never":
        raise StepError(f"{where}: {service.image} is not on the server, and pull: never forbids to fetch it")
    try:
        return run.engine.pull(service.image)
    except EngineError as error:
        raise StepError(
            f"{where}: {service.image} cannot be pulled: {_last(str(error))}",
            advice="Check the name and the tag, and docker login on the server for a private registry.",
        )


def _built(run: Run, service: Service, build: Build, log: Path) -> Image:
    where = f"stack_services.{service.name}.build"
    for name in build.secrets:
        if not _SECRET_ID.fullmatch(name):
            raise StepError(f"{where}.secrets: {name!r} is no id: use letters, digits, dots, dashes and underscores")
    context = _checkout(run, service, build)
    ignore = context / ".dockerignore"
    if build.git:
        root = run.state.sources / context.relative_to(run.state.sources).parts[0]
        for setting, place in (("context", context), ("dockerfile", context / build.dockerfile), ("context", ignore)):
            _stays_within(root, place, f"{where}.{setting}")
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
            return run.engine.build(build, context, _build_tag(run, service), {**paths, **files}, log)
        except EngineError as error:
            raise StepError(
                f"the image of service {service.name} does not build",
                str(error),
                f"Read {log} on the server.",
            )


def _stays_within(root: Path, place: Path, where: str) -> None:
    """A repository may hold links; none of them leads a build, or what is written for one, out of its checkout."""
    if not place.resolve().is_relative_to(root.resolve()):
        raise StepError(
            f"{where}: {place.relative_to(root)} leads out of the checked-out repository",
            advice="Name a place within the repository that is no link to elsewhere.",
        )


def _checkout(run: Run, service: Service, build: Build) -> Path:
    context = source_directory(run, build)
    if not build.git:
        return context
    where = f"stack_services.{service.name}.build.git"
    checkout = run.state.sources / context.relative_to(run.state.sources).parts[0]
    checkout.mkdir(mode=0o700, parents=True, exist_ok=True)
    for argv in (
        ["init", "--quiet"],
        ["fetch", "--quiet", "--depth", "1", "--force", build.git, build.ref or "HEAD"],
        ["checkout", "--quiet", "--force", "FETCH_HEAD"],
        ["clean", "--quiet", "-ffdx"],
    ):
        _git(where, checkout, argv)
    if (checkout / ".gitmodules").is_file():
        _submodules(where, checkout, build.git)
    return context


def _submodules(where: str, checkout: Path, address: str) -> None:
    """What the repository names as parts of it comes too; a build without them would find empty directories."""
    try:
        # Their addresses are the repository's word: none of them may name a place on the server.
        for argv in (
            # Theirs may be relative to the repository's.
            ["config", "remote.origin.url", address],
            ["submodule", "--quiet", "sync", "--recursive"],
            ["submodule", "--quiet", "update", "--init", "--recursive", "--force", "--depth", "1"],
            ["submodule", "--quiet", "foreach", "--recursive", "git clean --quiet -ffdx"],
        ):
            _git(where, checkout, argv)
    except StepError as error:
        raise StepError(
            error.cause,
            advice="Each address in the repository's .gitmodules must be one that the server can fetch, such as"
            " https://host/part.git; a path of the server's own is none.",
        )


def _git(where: str, checkout: Path, argv: list[str]) -> None:
    try:
        done = subprocess.run(
            ["git", "-C", str(checkout), *(_NO_FILES if argv[0] == "submodule" else ()), *argv],
            env={
                "PATH": "/usr/bin:/bin:/usr/local/bin",
                "HOME": str(Path.home()),
                "GIT_TERMINAL_PROMPT": "0",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_TIMEOUT,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise StepError(f"{where}: git {argv[0]} did not end within {_GIT_TIMEOUT} s")
    except OSError as error:
        raise StepError(f"{where}: git does not run: {error}", advice="Install git on the server.")
    if done.returncode:
        short = argv[0] == "fetch" and _SHORT_COMMIT.fullmatch(argv[-1])
        advice = f"{argv[-1]} looks like a shortened commit id: give all 40 characters, or a branch or tag."
        raise StepError(f"{where}: git {argv[0]} failed: {_reason(done.stderr)}", advice=advice if short else "")


def _reason(text: str) -> str:
    """What git calls fatal, each word once; what follows it is advice. A repository's addresses may hold passwords."""
    fatal = dict.fromkeys(line for line in text.splitlines() if line.startswith("fatal: "))
    return _ACCOUNT.sub("", "; ".join(fatal) or _last(text))


def _secret_files(values: dict[str, str]) -> tuple[tempfile.TemporaryDirectory[str], dict[str, Path]]:
    """Build secrets as files that only this run can read; the directory removes itself."""
    directory = tempfile.TemporaryDirectory(prefix="sluice-build-")
    files = {}
    for name, value in values.items():
        files[name] = Path(directory.name) / name
        files[name].touch(mode=0o600)
        files[name].write_text(value, encoding="utf-8")
    return directory, files


def _build_tag(run: Run, service: Service) -> str:
    return f"sluice/{run.stack.name}-{service.name}:build"


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
