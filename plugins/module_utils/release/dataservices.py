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
from . import carried, files, passwords, remarks
from .dataversions import Database, database, reads
from .drift import changed_by_hand, notes, up
from .engine import Image
from .files import Rendered
from .health import restarts, wait_healthy
from .run import Run


def refuse_what_it_cannot_read(run: Run, data: Rendered, found: Mapping[str, Image]) -> None:
    """Nothing is touched for a change that the data on disk cannot take.

    Raises:
        StepError: A database's image does not read what the one before it wrote.
    """
    before, then = _text(run.state.data), read_description(run.state.data) or {}
    for service in run.stack.stateful:
        named, image = _image_in(before, service.name), found[service.name]
        if not named or named == _image_in(data.compose, service.name):
            continue
        there = run.engine.image(named)
        old = _database(run, then.get("references", {}).get(service.name, named), there)
        new = _database(run, image.reference, image)
        if not reads(new, old):
            raise StepError(
                f"stack_services.{service.name}.image: {new} does not read the data that {old} wrote",
                advice=f"Go back to {old}, or describe a second service of another name with {new} and a"
                " volume of its own, load a dump into it, and lead the app there.",
            )


def _database(run: Run, reference: str, image: Image | None) -> Database:
    # An image that a rehearsal has not fetched is known by its name alone.
    return database(reference, run.engine.papers(image)["config"]["Env"] if image and image.id else ())


def differ(run: Run, data: Rendered, found: Mapping[str, Image]) -> bool:
    """Whether the stateful services must be touched.

    Raises:
        StepError: Their data cannot take the change, or would lock the app out of it.
    """
    if not run.stack.stateful:
        return False
    then = read_description(run.state.data)
    if not then:
        return True
    refuse_what_it_cannot_read(run, data, found)
    changed = {n for n, digest in data.fingerprints.items() if then["secrets"].get(n, digest) != digest}
    renewed = sorted(changed - passwords.changeable(run.stack))
    if renewed and not run.settings.data_secrets_rotated:
        raise StepError(
            f"the secret {renewed[0]} has a new value, and the data on disk was made with the old one",
            advice="Change it in the service, then run once with compose_stack_data_secrets_rotated: true.",
        )
    same = then["id"] in (data.id, files.id_by_digests(run, data, found))
    return not same or bool(changed_by_hand(run, run.data_project, run.stack.stateful))


def changes(run: Run, data: Rendered) -> list[str]:
    """Which stateful services a start would touch, and what of each differs from what its containers run with."""
    names = [s.name for s in run.stack.stateful]
    # Where no line differs, a secret does, or one of them does not run.
    return remarks.on_data(_text(run.state.data), data.compose, names) or names


def start(run: Run, data: Rendered, found: Mapping[str, Image]) -> None:
    """Start or change the stateful services; those that do not come up are replaced by the former ones again.

    Raises:
        StepError: They do not work as described; a note says whether the former ones run.
    """
    project, services = run.data_project, run.stack.stateful
    directory, former = project.directory, _former(run)
    stale = _taken_over(run, data)
    for service in services:
        run.engine.keep(found[service.name], files.keep_tag(run, service.name, found[service.name]))
    noted = notes(project)
    directory.rename(former)
    try:
        files.write_project(run, directory, data, services, found)
        before = restarts(run, project)
        if stale:
            run.engine.up(project, stale, anew=True)
        up(run, project, [s.name for s in services], noted)
        wait_healthy(run, project, services, before)
        references = {service.name: found[service.name].reference for service in services}
        write_description(directory, {"id": data.id, "secrets": data.fingerprints, "references": references})
    except (StepError, EngineError, OSError):
        _put_back(run, former)
        raise
    shutil.rmtree(former)
    carried.forget(directory / carried.DATA, _text(directory))


def _taken_over(run: Run, data: Rendered) -> list[str]:
    """Services in containers that Compose does not know, which are described otherwise than before."""
    before, then = _text(run.state.data), read_description(run.state.data)
    adopted = [c.service for c in run.engine.containers(run.data_project.name) if c.adopted]
    if not then:
        return []
    changed = {told.partition(" ")[0] for told in remarks.on_data(before, data.compose, adopted)}
    secrets = {n for n, digest in data.fingerprints.items() if then["secrets"].get(n) != digest}
    return [name for name in adopted if name in changed | {n.partition(".")[0] for n in secrets}]


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
        up(run, project, [s.name for s in services])
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
