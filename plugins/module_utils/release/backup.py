# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backups: databases and volumes of a stack together, in each place whole or not at all."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ..databases.kinds import kind_of
from ..errors import StepError
from ..files import sync_directory, sync_file, write_whole
from . import archives, copies, dumps
from .run import Run
from .streams import Compressed, Digest

_PARTIAL = ".partial-"
# Where copies of databases in volumes are made.
_ROOM = "room"


def dump_databases(run: Run, label: str) -> Path | None:
    """A backup of the databases that run; none before the first start."""
    running = {c.service for c in run.engine.containers(run.data_project.name) if c.running}
    if not any(kind_of(s) and s.name in running for s in run.stack.stateful):
        return None
    return back_up(run, label, full=False)


def back_up(run: Run, label: str = "", full: bool = True) -> Path:
    """Everything that the description marks for it, in one directory that appears whole or not at all.

    Args:
        label: What it is called beside its time.
        full: Volumes as well, and not databases alone.

    Raises:
        StepError: Something cannot be read, or there is nothing to back up.
    """
    # A run that was killed while it copied left them so.
    copies.let_go(run)
    place = Local(run, new_name(run, label))
    try:
        return place.finish(fill(run, [place], full))
    finally:
        place.abort()


def fill(run: Run, places: Sequence[Any], full: bool = True) -> dict[str, Any]:
    """Databases first and volumes after them, so that a file is there which a row speaks of; what was written.

    Raises:
        StepError: Something cannot be read, or there is nothing to back up.
    """
    current = run.state.serving().current
    projects = [run.data_project, *([run.project(current)] if current else [])]
    manifest: dict[str, Any] = {
        "at": time.time(),
        "stack": run.stack.name,
        "host": socket.gethostname(),
        "release": current.release if current else "",
        "images": {c.service: c.image for p in projects for c in run.engine.containers(p.name)},
        "full": full,
    }
    begins = [place.begin for place in places]
    kinds = [(service, kind) for service in run.stack.stateful if (kind := kind_of(service))]
    manifest["databases"] = {service.name: dumps.dump(run, service, kind, begins) for service, kind in kinds}
    chosen = copies.volumes_of(run) if full else []
    room = run.state.directory / _ROOM
    shutil.rmtree(room, ignore_errors=True)
    copied = {copies.name_of(volume): copies.copy(run, volume, places, room) for volume in chosen}
    shutil.rmtree(room, ignore_errors=True)
    manifest["volumes"] = {name: how for name, how in copied.items() if how}
    if not manifest["databases"] and not manifest["volumes"]:
        raise StepError(
            "there is nothing to back up",
            advice="Give a stateful service a volume, or say with its backup which kind of database it is.",
        )
    return manifest


class Local:
    """A directory on the server; it has its name once it is whole."""

    def __init__(self, run: Run, name: str) -> None:
        self._run, self._name = run, name
        self.files: dict[str, dict[str, Any]] = {}
        self._partial = run.state.backups / f"{_PARTIAL}{name}"
        for left_over in run.state.backups.glob(f"{_PARTIAL}*"):
            shutil.rmtree(left_over)
        self._partial.mkdir(mode=0o700)

    def begin(self, name: str) -> Compressed:
        return Compressed(self._partial / f"{name}.gz")

    def directory(self, name: str, source: Path, exclude: Sequence[str], live: bool) -> None:
        archives.write(self._run, source, self._partial / f"{name}.tar.gz", live, exclude)

    def finish(self, manifest: dict[str, Any]) -> Path:
        held = sorted(self._partial.iterdir())
        # Older backups go because this one is whole: it has to be so after a power failure as well.
        for path in held:
            sync_file(path)
        self.files = digests(held)
        text = json.dumps({**manifest, "files": self.files}, indent=1)
        write_whole(self._partial / "manifest.json", text + "\n")
        place = self._run.state.backups / self._name
        self._partial.rename(place)
        sync_directory(place.parent)
        _expire(self._run)
        return place

    def abort(self) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)


def to_expire(
    names: Sequence[tuple[str, float]], keep: int, days: float, now: float, full: Collection[str] = ()
) -> list[str]:
    """Backups beyond the newest `keep` that are older than `days` as well; names with their times.

    Args:
        full: Names of those that hold everything; the newest of them never expires.
    """
    newest_first = sorted(names, key=lambda n: n[1], reverse=True)
    spared = next((name for name, _ in newest_first if name in full), None)
    return [n for n, at in newest_first[max(keep, 1) :] if now - at > days * 86400 and n != spared]


def is_full(place: Path) -> bool:
    """Whether a backup holds everything that is marked for it; one of a release's own holds databases alone."""
    return bool(manifest_of(place).get("full", "-" not in place.name))


def whole(run: Run) -> list[Path]:
    """The backups whose manifests can be read, oldest first."""
    return sorted(d for d in run.state.backups.glob("[0-9]*") if manifest_of(d))


def manifest_of(place: Path) -> dict[str, Any]:
    """What a backup holds; empty for one that has no manifest that can be read."""
    try:
        manifest = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) and {"at", "files"} <= manifest.keys() else {}


def digests(paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Sizes and digests of files, by their names."""
    found = {}
    for path in paths:
        digest = Digest()
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.feed(block)
        found[path.name] = digest.result()
    return found


def new_name(run: Run, label: str = "") -> str:
    """The time, and what it is for; no other backup on the server has it."""
    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + (f"-{label}" if label else "")
    # Two within a second, as a second try of a restore makes them.
    same = len(list(run.state.backups.glob(f"{name}*")))
    return name + (f"-{same + 1}" if same else "")


def _expire(run: Run) -> None:
    places = whole(run)
    ages = [(d.name, float(manifest_of(d)["at"])) for d in places]
    full = {d.name for d in places if is_full(d)}
    settings = run.settings
    for name in to_expire(ages, settings.keep_backups, settings.keep_backup_days, time.time(), full):
        shutil.rmtree(run.state.backups / name)
