# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way back to a backup's data: proved first, then everything is exchanged or nothing.

What is replaced stays beside what replaces it until the app works with it. A note on disk tells whoever finds it
after a crash to put the replaced data back.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..databases import postgres
from ..errors import StepError
from ..files import write_whole
from ..stack import Service
from ..stack.directory import read_state
from . import archives, warm
from .backup import archive_of, container_of, digests, dump_databases, is_full, manifest_of, place_of, volumes_of
from .health import restarts, wait_healthy
from .run import Run
from .serving import point_edge, restore

_NOTE_LOST = (
    "the data from before the restore lies in .sluice-replaced beside each volume's _data, and the databases' in the"
    " newest backup named before-restore: move the file away, and restore from a backup again"
)


def restore_from(run: Run, wanted: str = "") -> Path:
    """Bring back a backup: verified, proved in a scratch container, and only then put in place.

    Args:
        wanted: A backup's name, or its first characters; empty for the newest that holds everything.

    Raises:
        StepError: The backup is damaged or does not restore; what runs was not touched, or runs again.
    """
    with run.step("resume"):
        recover(run)
        # It would work on the data that is exchanged.
        warm.cool(run)
    with run.step("verify"):
        place = _chosen(run, wanted)
        _verify(place)
        databases = [s for s in run.stack.stateful if (place / f"{s.name}.pgdump").exists()]
        for service in databases:
            said = postgres.readable(run, container_of(run, service).id, place / f"{service.name}.pgdump")
            if said:
                raise StepError(f"{place.name} cannot be read: {said}")
    with run.step("prove"):
        for service in databases:
            postgres.prove(run, container_of(run, service).image, place / f"{service.name}.pgdump")
    with run.step("dump"):
        before = dump_databases(run, "before-restore")
    with run.step("unpack"):
        volumes = _unpacked(run, place)
    try:
        _exchange(run, place, databases, volumes, before)
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
    return place


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
                dump = run.state.backups / noted["before"] / f"{service.name}.pgdump"
                postgres.swap_in(run, container_of(run, service).id, dump)
        _start_app(run)
        _tidy(note, [Path(source) for source in noted["volumes"]])
    return "An interrupted restore was undone."


def _unpacked(run: Run, place: Path) -> list[Path]:
    """The directories of the volumes to exchange; the new content lies unpacked beside each."""
    sources: list[Path] = []
    for volume in volumes_of(run):
        source, archive = place_of(run, volume), place / archive_of(volume)
        if source and archive.exists():
            fresh, old = _beside(source)
            if old.exists() and not source.exists():
                # A run of an older version, which left no note, died between two renames.
                old.rename(source)
            shutil.rmtree(old, ignore_errors=True)
            archives.unpack(run, volume.source, archive, fresh)
            sources.append(source)
    return sources


def _exchange(
    run: Run, place: Path, databases: Sequence[Service], volumes: Sequence[Path], before: Path | None
) -> None:
    """The app rests behind the maintenance page meanwhile, and so does what holds a volume's files open."""
    noted = {"volumes": [str(v) for v in volumes], "databases": [], "before": before.name if before else ""}
    with run.step("stop"):
        write_whole(run.state.restore_note, json.dumps(noted) + "\n")
        _rest(run)
    with run.step("restore"):
        for source in volumes:
            fresh, old = _beside(source)
            source.rename(old)
            fresh.rename(source)
        write_whole(run.state.restore_note, json.dumps({**noted, "databases": [s.name for s in databases]}) + "\n")
        for service in databases:
            postgres.swap_in(run, container_of(run, service).id, place / f"{service.name}.pgdump")
    with run.step("start"):
        _start_data(run)
        _start_app(run)
        _tidy(run.state.restore_note, volumes)


def _rest(run: Run) -> None:
    current = run.state.serving().current
    holders = [s.name for s in run.stack.stateful if s.volumes and not s.backup]
    if current:
        point_edge(run, None)
        run.engine.stop(run.project(current).name)
    if holders:
        run.engine.stop(run.data_project.name, holders)


def _start_data(run: Run) -> None:
    services = run.stack.stateful
    before = restarts(run, run.data_project)
    if services:
        run.engine.up(run.data_project, [s.name for s in services])
        wait_healthy(run, run.data_project, services, before)


def _start_app(run: Run) -> None:
    current = run.state.serving().current
    if current:
        restore(run, current)
        point_edge(run, current)


def _tidy(note: Path, volumes: Sequence[Path]) -> None:
    # The note goes first: once it is gone, nothing that is left beside a volume is put back.
    note.unlink()
    for source in volumes:
        for place in _beside(source):
            shutil.rmtree(place, ignore_errors=True)


def _as_noted(value: Any) -> dict[str, Any]:
    return {"volumes": list(value["volumes"]), "databases": list(value["databases"]), "before": str(value["before"])}


def _beside(source: Path) -> tuple[Path, Path]:
    """Where the new content waits, and where the replaced one is kept."""
    # A volume's directory has its own to itself, one of the server may have others beside it.
    of = "" if source.name == "_data" else f".{source.name}"
    return source.with_name(f".sluice-restore{of}"), source.with_name(f".sluice-replaced{of}")


def _chosen(run: Run, wanted: str) -> Path:
    places = sorted(d for d in run.state.backups.glob("[0-9]*") if d.is_dir())
    known = ", ".join(d.name for d in places[-5:]) or "none"
    if not places:
        raise StepError("there is no backup on the server", advice="Run playbooks/backup.yml.")
    if wanted:
        matches = [d for d in places if d.name == wanted] or [d for d in places if d.name.startswith(wanted)]
        if len(matches) != 1:
            raise StepError(f"{wanted!r} names {len(matches)} backups; the newest are: {known}")
        return matches[0]
    # A damaged one is refused by name, not passed over for an older one.
    full = [d for d in places if is_full(d)]
    if not full:
        raise StepError(
            "no backup on the server holds everything, only dumps of the databases",
            advice=f"Name the one to restore from; the newest are: {known}.",
        )
    return full[-1]


def _verify(place: Path) -> None:
    if not (place / "manifest.json").exists():
        raise StepError(f"{place.name} has no manifest.json: it is not a backup")
    manifest = manifest_of(place)
    if not manifest:
        raise StepError(f"{place.name}/manifest.json is damaged or cut off: it is not the file that was written")
    expected: dict[str, dict[str, Any]] = manifest["files"]
    for name in expected:
        if not (place / name).exists():
            raise StepError(f"{place.name}/{name} is missing")
    actual = digests([place / name for name in expected])
    for name, digest in expected.items():
        if actual[name] != digest:
            raise StepError(f"{place.name}/{name} is damaged or cut off: it is not the file that was written")
        if name.endswith(".tar.gz"):
            archives.read_back(place / name)
