# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way back to a backup's data: proved first, then everything is exchanged or nothing.

What is replaced stays beside what replaces it until the app works with it. A note on disk tells whoever finds it
after a crash to put the replaced data back.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..databases.access import Opener
from ..databases.kinds import kind_of
from ..errors import StepError
from ..files import write_whole
from ..stack import Service
from ..stack.directory import read_state
from . import dumps, origins, warm
from .backup import dump_databases, manifest_of
from .copies import name_of, place_of, volumes_of
from .drift import up
from .health import restarts, wait_healthy
from .origins import Source
from .run import Run
from .serving import point_edge, restore

_NOTE_LOST = (
    "the data from before the restore lies in .sluice-replaced beside each volume's _data, and the databases' in the"
    " newest backup named before-restore: move the file away, and restore from a backup again"
)


def restore_from(run: Run, wanted: str = "", where: str = "any") -> str:
    """Bring back a backup, whose name is returned: verified, proved in a scratch container, and only then put in place.

    Args:
        wanted: A backup's name, or its first characters; empty for the newest that holds everything.
        where: Where to look for it: `local`, `repository`, or `any`.

    Raises:
        StepError: The backup is damaged or does not restore; what runs was not touched, or runs again.
    """
    with run.step("resume"):
        recover(run)
        # It would work on the data that is exchanged.
        warm.cool(run)
    with run.step("verify"):
        source = origins.choose(run, wanted, where)
    made, current = source.manifest.get("release"), run.state.serving().current
    if made and current and made != current.release:
        run.notes.append(f"{source.name} was made while release {made} served; {current.release} serves now.")
    try:
        _put_in_place(run, source)
    finally:
        source.drop()
    return source.name


def _put_in_place(run: Run, source: Source) -> None:
    held = source.parts(run)
    with run.step("prove"):
        for service in run.stack.stateful:
            if service.name in held:
                dumps.prove(run, service, held[service.name], source.manifest)
    with run.step("dump"):
        before = dump_databases(run, "before-restore")
    with run.step("unpack"):
        volumes = _unpacked(run, source)
    try:
        with run.named("restore"):
            _exchange(run, held, source.manifest, volumes, before)
    except StepError as error:
        try:
            recover(run)
        except StepError as trouble:
            run.notes.append(
                f"The data from before the restore is not back yet ({trouble}); the next run completes it."
            )
        else:
            run.notes.append("The data is what it was before the restore.")
        raise error


def recover(run: Run) -> str:
    """Put back what a restore that did not end had replaced; says what was done, empty when there was nothing.

    Raises:
        StepError: It cannot be put back; the note stays for the next try.
    """
    note = run.state.restore_note
    if not note.exists():
        return ""
    with run.step("undo"):
        noted = read_state(note, _as_noted, _NOTE_LOST) or {}
        _rest(run)
        for source in map(Path, noted["volumes"]):
            fresh, old = _beside(source)
            if old.exists():
                if source.exists():
                    shutil.rmtree(fresh, ignore_errors=True)
                    source.rename(fresh)
                old.rename(source)
        _start_data(run)
        for service in run.stack.stateful:
            if service.name in noted["databases"] and noted["before"]:
                _restore_database(run, service, run.state.backups / noted["before"])
        _start_app(run, noted["served"])
        _tidy(note, [Path(source) for source in noted["volumes"]])
    return "An interrupted restore was undone."


def _unpacked(run: Run, source: Source) -> list[Path]:
    """The directories of the volumes to exchange; the new content lies unpacked beside each."""
    found: list[Path] = []
    for volume in volumes_of(run):
        directory = place_of(run, volume)
        if directory and source.holds(name_of(volume)):
            fresh, old = _beside(directory)
            if old.exists() and not directory.exists():
                # A run of an older version, which left no note, died between two renames.
                old.rename(directory)
            shutil.rmtree(old, ignore_errors=True)
            source.unpack(run, name_of(volume), fresh)
            found.append(directory)
    return found


def _exchange(
    run: Run,
    held: Mapping[str, dict[str, Opener]],
    manifest: dict[str, Any],
    volumes: Sequence[Path],
    before: Path | None,
) -> None:
    """The app rests behind the maintenance page meanwhile, and so does what holds a volume's files open."""
    noted: dict[str, Any] = {
        "volumes": [str(v) for v in volumes],
        "databases": [],
        "before": before.name if before else "",
    }
    with run.step("stop"):
        # On a server that is to come back nobody was led to the data from before, and nobody is to be.
        noted["served"] = run.edge.serving() is not None
        write_whole(run.state.restore_note, json.dumps(noted) + "\n")
        _rest(run)
    with run.step("restore"):
        for source in volumes:
            fresh, old = _beside(source)
            source.rename(old)
            fresh.rename(source)
        write_whole(run.state.restore_note, json.dumps({**noted, "databases": list(held)}) + "\n")
        for service in run.stack.stateful:
            if service.name in held:
                dumps.restore(run, service, held[service.name], manifest)
    with run.step("start"):
        _start_data(run)
        _start_app(run)
        _tidy(run.state.restore_note, volumes)


def _restore_database(run: Run, service: Service, place: Path) -> None:
    manifest = manifest_of(place)
    dumps.restore(run, service, dumps.held_in(run, place, manifest)[service.name], manifest)


def _rest(run: Run) -> None:
    current = run.state.serving().current
    holders = [s.name for s in run.stack.stateful if s.volumes and not kind_of(s)]
    if current:
        point_edge(run, None)
        run.engine.stop(run.project(current).name)
    if holders:
        run.engine.stop(run.data_project.name, holders)


def _start_data(run: Run) -> None:
    services = run.stack.stateful
    before = restarts(run, run.data_project)
    if services:
        up(run, run.data_project, [s.name for s in services])
        wait_healthy(run, run.data_project, services, before)


def _start_app(run: Run, serve: bool = True) -> None:
    current = run.state.serving().current
    if current:
        restore(run, current)
        if serve:
            point_edge(run, current)


def _tidy(note: Path, volumes: Sequence[Path]) -> None:
    # The note goes first: once it is gone, nothing that is left beside a volume is put back.
    note.unlink()
    for source in volumes:
        for place in _beside(source):
            shutil.rmtree(place, ignore_errors=True)


def _as_noted(value: Any) -> dict[str, Any]:
    return {
        "volumes": list(value["volumes"]),
        "databases": list(value["databases"]),
        "before": str(value["before"]),
        "served": bool(value.get("served", True)),
    }


def _beside(source: Path) -> tuple[Path, Path]:
    """Where the new content waits, and where the replaced one is kept."""
    # A volume's directory has its own to itself, one of the server may have others beside it.
    of = "" if source.name == "_data" else f".{source.name}"
    return source.with_name(f".sluice-restore{of}"), source.with_name(f".sluice-replaced{of}")
