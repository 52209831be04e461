# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A first release in the place of a project that `docker compose up` started.

Its data services stop before ours start on the same volumes, and ours answer to its other containers meanwhile, so that
what serves serves on. What was stopped is noted before, and starts again when the release fails. The rest of it is left
alone: what leads requests to the release stops it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import StepError
from ..files import write_whole
from ..stack import Service
from ..stack.directory import read_state
from .engine import Foreign, Member
from .run import Run

_NOTE = "adopted.json"
_LOST = "what was stopped of the project that is taken over is not known any more"


def plan(run: Run) -> list[str]:
    """What a first release would do of it, a sentence each."""
    found = _members(run)
    if not found:
        return []
    project = run.settings.adopts
    told = [f"Lead {place} to {source}, where the project's data lies." for place, source in _links(run, found)]
    first = [s for s in run.stack.services.values() if s.stateful or s.stops_first]
    mine = [s.name for s in first if _of(found, [s])]
    if mine:
        told.append(f"Stop {', '.join(mine)} of the project {project}; the stack's own start on the same volumes.")
    rest = sorted({m.service for m in found} - {m.service for m in _of(found, first)})
    if rest:
        told.append(f"Leave {', '.join(rest)} of the project {project} until the release serves, then stop it.")
    return told


def take_over(run: Run) -> None:
    """Before the stateful services start: those of the project stop, and its directories of data are ours.

    Raises:
        StepError: A name is taken, or something does not stop.
    """
    found = _members(run)
    if not found:
        return
    with run.step("adopt"):
        names = {run.stack.container(s, colour) for s in run.stack.services.values() for colour in ("blue", "green")}
        taken = sorted(names & {member.name for member in found})
        if taken:
            raise StepError(
                f"the project's containers have names that the stack's would have: {', '.join(taken)}",
                advice="Give stack_name another value; volumes keep their names.",
            )
        for place, source in _links(run, found):
            Path(place).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            Path(place).symlink_to(source)
        _stop(run, _of(found, run.stack.stateful))


def lend(run: Run) -> None:
    """The new data services answer to what is left of the project."""
    found = _members(run)
    networks = sorted({network for member in found for network in member.networks})
    ours = {c.service: c.id for c in run.engine.containers(run.data_project.name) if c.running}
    with run.step("adopt"):
        for service in run.stack.stateful if found else ():
            for network in networks:
                _foreign(run).lend(ours[service.name], network, [service.name, *service.aliases])


def hand_over(run: Run, services: Sequence[Service]) -> None:
    """Services of which there may be one only stop there before they start here."""
    if found := _of(_members(run), services):
        _stop(run, found)


def put_back(run: Run) -> bool:
    """What was stopped runs again, on data that nobody else writes to; whether there was anything.

    Raises:
        EngineError: It does not start.
    """
    noted = _noted(run)
    if noted:
        run.engine.remove(run.data_project.name)
        _foreign(run).revive(noted)
        run.notes.append(f"{', '.join(sorted(m.service for m in noted))} of the project that was there run again.")
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
    noted = _noted(run)
    fresh = [member for member in members if member not in noted]
    if fresh:
        write_whole(_place(run), _text([*noted, *fresh]))
        _foreign(run).retire(fresh)


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
