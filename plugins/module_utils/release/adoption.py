# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A first release in the place of a project that `docker compose up` started.

Its data services run on, as the stack's, where they are what the stack describes; the others stop before ours start on
the same volumes, and ours answer to its other containers meanwhile, so that what serves serves on. What is done to them
is noted before, and undone when the release fails. The rest of it is left alone: what leads requests to the release
stops it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..docker.containers import adopted_name
from ..errors import EngineError, StepError
from ..files import write_whole
from ..stack import Service
from ..stack.directory import read_state
from ..stack.yamlout import to_yaml
from . import files
from .engine import Foreign, Image, Member, Project
from .files import Rendered
from .run import Run

_NOTE = "adopted.json"
_LOST = "what was stopped of the project that is taken over is not known any more"
Found = Mapping[str, Image]


def plan(run: Run, data: Rendered, found: Found) -> tuple[list[str], list[str]]:
    """What a first release would do of it, a sentence each; and the data services that run on."""
    members = _members(run)
    if not members:
        return [], []
    project = run.settings.adopts
    told = [f"Lead {place} to {source}, where the project's data lies." for place, source in _links(run, members)]
    try:
        unlike = _unlike(run, members, data, found)
    except EngineError as error:
        unlike = {s.name: f"what differs is not known yet: {error}" for s in run.stack.stateful}
    stay = [s.name for s in run.stack.stateful if _of(members, [s]) and s.name not in unlike]
    if stay:
        told.append(f"Take over {', '.join(stay)} of the project {project} while they run.")
    for service in run.stack.stateful:
        if service.name in unlike and _of(members, [service]):
            told.append(
                f"Stop {service.name} of the project {project}, and start the stack's own on the same volumes:"
                f" {unlike[service.name]}."
            )
    first = [s for s in run.stack.released if s.stops_first and _of(members, [s])]
    if first:
        told.append(f"Stop {', '.join(s.name for s in first)} of the project {project} before the stack's own start.")
    rest = sorted({m.service for m in members} - {m.service for m in _of(members, [*run.stack.stateful, *first])})
    if rest:
        told.append(f"Leave {', '.join(rest)} of the project {project} until the release serves, then stop it.")
    return told, stay


def take_over(run: Run, data: Rendered, found: Found) -> None:
    """Before the stateful services start: those of the project are ours or stop, as its directories of data are ours.

    Raises:
        StepError: A name is taken, or something does not stop.
    """
    members = _members(run)
    if not members:
        return
    with run.step("adopt"):
        names = {run.stack.container(s, colour) for s in run.stack.services.values() for colour in ("blue", "green")}
        taken = sorted(names & {member.name for member in members})
        if taken:
            raise StepError(
                f"the project's containers have names that the stack's would have: {', '.join(taken)}",
                advice="Give stack_name another value; volumes keep their names.",
            )
        unlike = _unlike(run, members, data, found)
        for place, source in _links(run, members):
            Path(place).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            Path(place).symlink_to(source)
        _stop(run, _of(members, [s for s in run.stack.stateful if s.name in unlike]))
        stay = [(s, m) for s in run.stack.stateful if s.name not in unlike for m in _of(members, [s])]
        _write(run, [replace(member, stays=True) for _service, member in stay])
        for service, member in stay:
            name = adopted_name(run.data_project.name, service.name)
            aliases = [service.name, *service.aliases, run.stack.container(service)]
            _foreign(run).adopt(member, name, run.stack.network, aliases)


def lend(run: Run) -> None:
    """The new data services answer to what is left of the project."""
    members = _members(run)
    networks = sorted({network for member in members for network in member.networks})
    ours = {c.service: c.id for c in run.engine.containers(run.data_project.name) if c.running and not c.adopted}
    with run.step("adopt"):
        for service in run.stack.stateful if members else ():
            for network in networks if service.name in ours else ():
                _foreign(run).lend(ours[service.name], network, [service.name, *service.aliases])


def hand_over(run: Run, services: Sequence[Service]) -> None:
    """Services of which there may be one only stop there before they start here."""
    if found := _of(_members(run), services):
        _stop(run, found)


def put_back(run: Run) -> bool:
    """What was stopped runs again, on data that nobody else writes to, and what was taken over is the project's.

    Tells whether there was anything.

    Raises:
        EngineError: It does not start.
    """
    noted = _noted(run)
    if noted:
        for member in noted:
            if member.stays:
                _foreign(run).give_back(member, run.stack.network)
        run.engine.remove(run.data_project.name)
        _foreign(run).revive(noted)
        run.notes.append(f"{', '.join(sorted(m.service for m in noted))} of the project that was there run as before.")
        _place(run).unlink()
    return bool(noted)


def settle(run: Run) -> None:
    """The release is what serves: nothing is put back any more."""
    _place(run).unlink(missing_ok=True)


def _foreign(run: Run) -> Foreign:
    if not run.foreign:
        raise AssertionError("only a release takes over what is there")
    return run.foreign


def _members(run: Run) -> list[Member]:
    first = not run.state.serving().current
    return _foreign(run).members(run.settings.adopts) if run.settings.adopts and first else []


def _of(members: Sequence[Member], services: Sequence[Service]) -> list[Member]:
    names = {name for service in services for name in (service.name, *service.aliases)}
    return [member for member in members if member.service in names]


def _unlike(run: Run, members: Sequence[Member], data: Rendered, found: Found) -> dict[str, str]:
    """The stateful services that cannot run on as they are, and why.

    Raises:
        EngineError: Compose makes no container of what is described.
    """
    pairs = {s.name: own[0] for s in run.stack.stateful if len(own := _of(members, [s])) == 1}
    unlike = {s.name: "it has several containers" for s in run.stack.stateful if s.name not in pairs}
    if not pairs:
        return unlike
    if run.engine.containers(run.data_project.name):
        return unlike | dict.fromkeys(pairs, "the stack has one already")
    with tempfile.TemporaryDirectory(prefix="sluice-adopt-") as place:
        project = Project(run.data_project.name, Path(place) / "data")
        # Neither the stack's own network nor its names of images may be there yet.
        there = {"networks": {"private": {"name": next(iter(members[0].networks), "bridge"), "external": True}}}
        text = data.compose
        for service in run.stack.stateful:
            image = found[service.name]
            text = text.replace(files.keep_tag(run, service.name, image), image.id or image.reference)
        rendered = replace(data, compose=text, override=data.override + to_yaml(there))
        files.write_project(run, project.directory, rendered, run.stack.stateful, found)
        differences = _foreign(run).differences(project, pairs, dict(_links(run, members)))
    return unlike | {name: f"it runs with another {', '.join(keys)}" for name, keys in differences.items() if keys}


def _links(run: Run, members: Sequence[Member]) -> list[tuple[str, str]]:
    """Directories of the stack that are to be those of the project's checkout, and where these are."""
    own = f"{run.state.directory}/binds/"
    links: dict[str, str] = {}
    for service in run.stack.services.values():
        binds = {target: source for member in _of(members, [service]) for source, target in member.binds}
        for volume in service.volumes:
            if volume.source.startswith(own) and volume.path in binds and not Path(volume.source).exists():
                links[volume.source] = binds[volume.path]
    return list(links.items())


def _stop(run: Run, members: Sequence[Member]) -> None:
    _foreign(run).retire(_write(run, members))


def _write(run: Run, members: Sequence[Member]) -> list[Member]:
    """Those that were not noted yet, and are now."""
    noted = _noted(run)
    fresh = [member for member in members if member not in noted]
    if fresh:
        write_whole(_place(run), _text([*noted, *fresh]))
    return fresh


def _text(members: Sequence[Member]) -> str:
    return json.dumps({"members": [asdict(member) for member in members]}, indent=1) + "\n"


def _noted(run: Run) -> list[Member]:
    return read_state(_place(run), _as_noted, _LOST) or []


def _as_noted(value: Any) -> list[Member]:
    return [
        Member(**{**m, "networks": tuple(m["networks"]), "binds": tuple((s, t) for s, t in m["binds"])})
        for m in value["members"]
    ]


def _place(run: Run) -> Path:
    return run.state.directory / _NOTE
