# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stateful services change over their data: refused where that cannot work, put back where it did not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from ..errors import EngineError, StepError
from ..stack.directory import read_description, write_description
from . import files, passwords
from .engine import Image
from .files import Rendered
from .health import all_run, restarts, wait_healthy
from .run import Run

# Databases whose files another major version does not read as they are.
_BOUND_TO_MAJOR = ("postgres", "postgis", "mysql", "mariadb", "mongo")


def major(reference: str) -> tuple[str, str]:
    """Kind and major version of a database's image, `("postgres", "16")`; empty where either is not known."""
    kind, _, tag = reference.partition("@")[0].rpartition("/")[2].partition(":")
    found = re.match(r"v?(\d+)(?:\.(\d+))?(?![\w])", tag)
    if kind not in _BOUND_TO_MAJOR or not found:
        return "", ""
    # PostgreSQL 9.5 and 9.6 were major versions.
    old_form = kind in ("postgres", "postgis") and int(found[1]) < 10 and found[2]
    return kind, f"{found[1]}.{found[2]}" if old_form else found[1]


def refuse_other_major(run: Run, data: Rendered) -> None:
    """Nothing is touched for a change that the data on disk cannot take.

    Raises:
        StepError: A database's image is of another major version than the one that wrote its data.
    """
    before = _text(run.state.data)
    for service in run.stack.stateful:
        old, new = _image_in(before, service.name), _image_in(data.compose, service.name)
        (kind, was), (same_kind, will) = major(old), major(new)
        if kind and kind == same_kind and was != will:
            raise StepError(
                f"stack_services.{service.name}.image: {kind} {will} does not read the data that {kind} {was} wrote",
                advice=f"Go back to {kind}:{was}, or describe a second service of another name with {kind}:{will} and a"
                " volume of its own, load a dump into it, and lead the app there.",
            )


def differ(run: Run, data: Rendered) -> bool:
    """Whether the stateful services must be touched.

    Raises:
        StepError: Their data cannot take the change, or would lock the app out of it.
    """
    if not run.stack.stateful:
        return False
    then = read_description(run.state.data)
    if not then:
        return True
    refuse_other_major(run, data)
    changed = {n for n, digest in data.fingerprints.items() if then["secrets"].get(n, digest) != digest}
    renewed = sorted(changed - passwords.changeable(run.stack))
    if renewed and not run.settings.data_secrets_rotated:
        raise StepError(
            f"the secret {renewed[0]} has a new value, and the data on disk was made with the old one",
            advice="Change it in the service, then run once with compose_stack_data_secrets_rotated: true.",
        )
    return then["id"] != data.id or not all_run(run, run.data_project, run.stack.stateful)


def start(run: Run, data: Rendered, found: Mapping[str, Image]) -> None:
    """Start or change the stateful services; those that do not come up are replaced by the former ones again.

    Raises:
        StepError: They do not work as described; a note says whether the former ones run.
    """
    project, services = run.data_project, run.stack.stateful
    directory, former = project.directory, _former(run)
    for service in services:
        run.engine.keep(found[service.name], files.keep_tag(run, service.name, found[service.name]))
    directory.rename(former)
    try:
        files.write_project(run, directory, data, services, found)
        before = restarts(run, project)
        run.engine.up(project, [s.name for s in services])
        wait_healthy(run, project, services, before)
        write_description(directory, {"id": data.id, "secrets": data.fingerprints})
    except (StepError, EngineError, OSError):
        _put_back(run, former)
        raise
    shutil.rmtree(former)


def recover(run: Run) -> str:
    """Put back what a run that was cut off had changed; says what was done, empty when there was nothing."""
    if not _former(run).exists():
        return ""
    _put_back(run, _former(run))
    return "An interrupted change of the stateful services was undone."


def _former(run: Run) -> Path:
    return run.state.data.with_name("data.former")


def _put_back(run: Run, former: Path) -> None:
    project = run.data_project
    shutil.rmtree(project.directory, ignore_errors=True)
    former.rename(project.directory)
    services = [s for s in run.stack.stateful if _image_in(_text(project.directory), s.name)]
    if not services:
        return
    try:
        before = restarts(run, project)
        run.engine.up(project, [s.name for s in services])
        wait_healthy(run, project, services, before)
    except (StepError, EngineError) as trouble:
        run.notes.append(f"The former data services could not be put back: {trouble}. What serves may lack its data.")
    else:
        run.notes.append("The former data services run again.")


def _text(directory: Path) -> str:
    place = directory / "compose.yml"
    return place.read_text(encoding="utf-8") if place.exists() else ""


def _image_in(compose: str, service: str) -> str:
    """A service's image in a Compose file of our own making."""
    found = re.search(rf'^  "?{re.escape(service)}"?:\n(?:    .*\n)*?    image: "?([^"\n]+)"?$', compose, re.MULTILINE)
    return found[1] if found else ""
