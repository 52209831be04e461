# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes into a backup: read while the app works, or while who writes them rests; SQLite as of one moment."""

from __future__ import annotations

import contextlib
import shlex
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from ..databases import sqlite
from ..databases.kinds import held, kind_of
from ..errors import StepError
from ..stack import Service, Volume
from . import warm
from .drift import up
from .engine import Project
from .health import restarts, wait_healthy
from .run import Run

# Copies of SQLite databases lie beside the volume's other files in a backup, and are put among them again.
SQLITE = ".sqlite"


class Place(Protocol):
    """Where directories go."""

    def directory(self, name: str, source: Path, exclude: Sequence[str], live: bool) -> None:
        """Keep a directory's content.

        Args:
            name: The volume's, with SQLITE behind it for the databases in it.
            exclude: Files that are left out, relative to it.
            live: Whether files may change meanwhile.
        """


def volumes_of(run: Run) -> list[Volume]:
    """What is to be copied; a database's own files make no good copy while it runs, its dump does."""
    chosen: dict[str, Volume] = {}
    for service in run.stack.services.values():
        for volume in service.volumes:
            if volume.source and volume.backup and not kind_of(service) and service.backup != "none":
                chosen.setdefault(volume.source, volume)
    return list(chosen.values())


def place_of(run: Run, volume: Volume) -> Path | None:
    """The directory of a volume, or of the server; None where there is none."""
    if volume.named:
        return run.engine.volume_path(run.stack.volume(volume))
    return Path(volume.source) if Path(volume.source).is_dir() else None


def name_of(volume: Volume) -> str:
    """What it is called within a backup."""
    return quote(volume.source, safe="")


def copy(run: Run, volume: Volume, places: Sequence[Place], room: Path) -> dict[str, Any]:
    """A volume to all places; what the manifest says of it, empty where there is no such volume yet.

    Args:
        room: A directory for copies of databases, removed again.

    Raises:
        StepError: It cannot be read.
    """
    source, name = place_of(run, volume), name_of(volume)
    if not source:
        return {}
    holders = [s for s in run.stack.services.values() if held(s) and volume.source in {v.source for v in s.volumes}]
    copied = {"": "live", "pause": "paused", "stop": "stopped"}[max(map(held, holders), default="")]
    staged, rows = room / f"{name}{SQLITE}", {}
    exclude: list[str] = []
    try:
        with _resting(run, holders):
            for path in sqlite.find(source) if not holders else []:
                target = staged / path
                if said := sqlite.copy(source / path, target):
                    run.notes.append(f"{volume.source}/{path} is no SQLite database that can be read: {said}.")
                    continue
                rows[str(path)] = sqlite.count(target)
                exclude += [f"{path}{end}" for end in ("", *sqlite.BESIDE)]
            for place in places:
                place.directory(name, source, exclude, live=not holders)
        for place in places if rows else ():
            place.directory(f"{name}{SQLITE}", staged, [], live=False)
    except StepError as trouble:
        raise StepError(f"volume {volume.source}: {trouble}", trouble.log, trouble.advice)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return {"copied": copied, **({"sqlite": rows} if rows else {})}


def let_go(run: Run) -> None:
    """What a run that was killed left held still goes on."""
    for project in _projects(run):
        run.engine.unpause(project.name)


@contextlib.contextmanager
def _resting(run: Run, holders: Sequence[Service]) -> Iterator[None]:
    """Files of a server that writes meanwhile are no copy of it: held still, they are what a power failure leaves."""
    paused = [s.name for s in holders if held(s) == "pause"]
    stopped = [s for s in holders if held(s) == "stop"]
    unit = f"sluice-wake-{run.stack.name}"
    if holders:
        warm.schedule(unit, 1, _waking(run, paused, {s.name for s in stopped}))
    try:
        if stopped:
            run.engine.stop(run.data_project.name, [s.name for s in stopped])
        for project in _projects(run) if paused else []:
            run.engine.pause(project.name, paused)
        yield
    finally:
        if paused:
            let_go(run)
        if stopped:
            before = restarts(run, run.data_project)
            up(run, run.data_project, [s.name for s in stopped])
            wait_healthy(run, run.data_project, stopped, before)
        if holders:
            warm.unschedule(unit)


def _waking(run: Run, paused: Collection[str], stopped: Collection[str]) -> str:
    """What systemd runs once the lock is free, which it is before the rest has an end only where the run was killed."""
    found = [c for project in _projects(run) for c in run.engine.containers(project.name) if c.running]
    ways = (("unpause", paused), ("start", stopped))
    wakes = [
        shlex.join(["docker", way, *ids]) for way, names in ways if (ids := [c.id for c in found if c.service in names])
    ]
    return f"exec flock {shlex.quote(str(run.state.lock_file))} /bin/sh -c {shlex.quote('; '.join(wakes))}"


def _projects(run: Run) -> list[Project]:
    current = run.state.serving().current
    return [run.data_project, *([run.project(current)] if current else [])]
