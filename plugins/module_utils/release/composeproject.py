# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A project with Compose files of its own: brought onto this machine, and read there into the description."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..composefile.cli import Compose
from ..composefile.project import Read, Settings, read
from ..errors import StepError, UserError
from ..files import write_whole
from ..secretvalues.tokens import TOKEN
from ..stack import Build
from ..stack.fields import Fields
from ..stack.parse_build import refuse_address
from .sources import fetch

KEYS = ("git", "ref", "key", "known_hosts", "directory", "path", "files", "profiles", "project")
_DIGEST = ".sluice-archive"


def read_compose_project(params: Mapping[str, Any], look: bool) -> dict[str, Any]:
    """What the module answers.

    Args:
        params: Its options.
        look: Whether nothing is to be left on this machine.

    Raises:
        UserError: The project cannot be had, Compose is not there, or a setting is wrong.
    """
    told = _settings(params["project"])
    compose = Compose(params["timeout"])
    try:
        version = compose.demand()
    except UserError as error:
        return {"trouble": str(error), "bare": True, "wants": []}
    with _place(params, told, look) as place:
        if params["digest"] and not params["archive"] and not _is_there(place, params["digest"]):
            return {"wants_archive": True, "wants": []}
        _bring(params, told, place)
        done = _read(params, told, place, compose)
        # A copy that is only looked at speaks of where the project will lie.
        stays = f"{params['root']}/{params['name']}/project/{place.name}"
        services = json.loads(json.dumps(done.reading.stack_services).replace(str(place), stays))
    findings = done.reading.findings.all
    verdict = "refused" if any(f.level == "refused" for f in findings) else ""
    verdict = verdict or ("decide" if any(f.level == "decide" for f in findings) else "as_is")
    return {
        "services": services,
        "routes": [dict(r) for r in done.reading.routes],
        "reading": done.data(),
        "clear": dict(done.reading.clear),
        "composed": dict(done.reading.composed),
        "verdict": verdict,
        "wants": [str(f) for f in findings if f.level != "note"],
        "compose_version": version,
    }


def _settings(project: Mapping[str, Any]) -> Fields:
    mistakes: list[str] = []
    told = Fields(project, "stack_compose", KEYS, mistakes)
    texts = {key: told.attempt(partial(told.text, key), "") for key in KEYS if key not in ("files", "profiles")}
    nothing: tuple[str, ...] = ()
    for key in ("files", "profiles"):
        told.attempt(partial(told.texts, key), nothing)
    if not mistakes and bool(texts["git"]) == bool(texts["directory"]):
        mistakes.append("stack_compose needs one of git (a repository's URL) and directory (of the controller).")
    path = texts["path"]
    if path.startswith("/") or ".." in path.split("/"):
        mistakes.append(f"stack_compose.path: {path!r} is a directory within the project, without a / before it.")
    try:
        refuse_address("stack_compose.git", texts["git"], texts["ref"])
    except UserError as mistake:
        mistakes.append(str(mistake))
    if mistakes:
        raise UserError("\n".join(mistakes))
    return told


@contextlib.contextmanager
def _place(params: Mapping[str, Any], told: Fields, look: bool) -> Iterator[Path]:
    """Where the project lies; its own name is kept, since Compose makes names of it."""
    address = told.text("directory") or told.text("git").rstrip("/").removesuffix(".git")
    name = os.path.basename(address.rstrip("/")) or "project"
    with tempfile.TemporaryDirectory(prefix="sluice-project-") as scratch:
        root = Path(scratch if look else params["root"]) / params["name"] / "project"
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield root / name


def _is_there(place: Path, digest: str) -> bool:
    note = place.with_name(_DIGEST)
    return place.is_dir() and note.is_file() and note.read_text(encoding="utf-8") == digest


def _bring(params: Mapping[str, Any], told: Fields, place: Path) -> None:
    if told.text("git"):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = told.text("key")
        if key and not params["key"]:
            raise UserError(f"stack_compose.key: stack_secrets has no {key}.")
        build = Build(git=told.text("git"), ref=told.text("ref"), key=key, known_hosts=told.text("known_hosts"))
        try:
            fetch("stack_compose.git", place, build, {key: params["key"]})
        except StepError as error:
            raise UserError(f"{error.cause}. {error.advice}".strip())
    elif params["archive"]:
        note = place.with_name(_DIGEST)
        note.unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
        with tarfile.open(params["archive"]) as archive:
            # It is the controller's own; older Pythons know no filters.
            if hasattr(tarfile, "tar_filter"):
                archive.extraction_filter = staticmethod(tarfile.tar_filter)
            archive.extractall(place)
        for path in place.rglob("*"):
            # The archive has one time for all: a build would take a file of the same length for the one that it knows.
            if not path.is_symlink():
                os.utime(path)
        write_whole(note, params["digest"])


def _read(params: Mapping[str, Any], told: Fields, place: Path, compose: Compose) -> Read:
    directory = place / told.text("path")
    if not directory.is_dir():
        raise UserError(f"stack_compose.path: the project has no directory {told.text('path')!r}.")
    routes = params["routes"]
    return read(
        Settings(
            directory=directory,
            root=place,
            data=f"{params['root']}/{params['name']}/binds",
            copies=str(place.parents[2]),
            files=told.texts("files"),
            profiles=told.texts("profiles"),
            name=told.text("project"),
            domain=params["domain"],
            env={str(k): _text(k, v) for k, v in params["env"].items()},
            secrets=params["secret_names"],
            routes=routes if routes else None,
            corrections=params["corrections"],
        ),
        compose,
    )


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UserError(f"stack_compose_env.{name}: expected text, not {type(value).__name__}; quote it.")
    if TOKEN.search(str(value)):
        raise UserError(f"stack_compose_env.{name}: %SECRET. is what stands for a secret; write another text.")
    return str(value)
