# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The end of a stack: nothing of it is left that is not data, and the data goes when that was asked for by name."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import EdgeError, UserError
from ..stack.directory import StackState
from ..stack.model import colour_project, data_project
from .edge import Edge
from .engine import Engine

# What says which data the volumes hold: a stack that comes back is held against it.
_OF_THE_DATA = ("release.json", "compose.yml")


@dataclass
class Removed:
    """What went, or in check mode would, and what stays."""

    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def remove(engine: Engine, edge: Edge, state: StackState, name: str, data: bool, check: bool = False) -> Removed:
    """Take a stack from the server. It may be begun anew at any point; what is gone already is no trouble.

    Args:
        data: Whether its volumes and backups go as well.

    Raises:
        UserError: The edge still sends it requests.
        EngineError: The engine refuses.
    """
    with contextlib.suppress(EdgeError):
        # One that does not know the stack, or is gone itself, sends it nothing.
        # Where all is only rehearsed, so was taking it off.
        if not check and (colour := edge.serving()):
            raise UserError(
                f"The edge still sends requests to {name} ({colour}): take it off with nginx_certbot_state: absent"
                " first, as playbooks/remove.yml does."
            )
    done = Removed()
    for project in (colour_project(name, "blue"), colour_project(name, "green"), data_project(name)):
        if found := engine.containers(project):
            done.removed += [f"container {container.name}" for container in found]
            if not check:
                # A database ends what it writes.
                engine.stop(project)
        if not check:
            engine.remove(project)
    if engine.has_network(name):
        done.removed.append(f"network {name}")
        if not check:
            engine.remove_network(name)
    for tag in _tags(engine, state, name):
        done.removed.append(f"image tag {tag}")
        if not check:
            engine.forget(tag)
    volumes = engine.volumes(f"{name}_")
    for volume in volumes:
        (done.removed if data else done.kept).append(f"volume {volume}")
        if data and not check:
            engine.remove_volume(volume)
    _directory(state, data, bool(volumes), check, done)
    return done


def _tags(engine: Engine, state: StackState, name: str) -> Iterator[str]:
    """The tags that keep the stack's images; those of crm-eu are none of crm's."""
    root = state.directory.parent
    others = [p.name for p in root.iterdir() if p.name.startswith(f"{name}-")] if root.is_dir() else []
    for tag in engine.tags(f"sluice/{name}-*"):
        if not tag.startswith(tuple(f"sluice/{other}-" for other in others)):
            yield tag


def _directory(state: StackState, data: bool, volumes: bool, check: bool, done: Removed) -> None:
    if not state.directory.is_dir():
        return
    backups = sorted(p.name for p in state.backups.glob("*")) if state.backups.is_dir() else []
    kept = set()
    if not data and backups:
        kept.add(state.backups)
        done.kept.append(f"{len(backups)} backups in {state.backups}")
    if not data and volumes:
        kept |= {state.data, state.key}
    # The lock lies there as well, and is held: what waits for it finds an empty directory, or none.
    gone = [place for place in sorted(state.directory.iterdir()) if place not in {*kept, state.lock_file}]
    if state.data in kept:
        gone += [place for place in sorted(state.data.iterdir()) if place.name not in _OF_THE_DATA]
    if gone:
        done.removed.append(f"files in {state.directory}")
    if check:
        return
    for place in gone:
        shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()
    if not kept:
        shutil.rmtree(state.directory)
