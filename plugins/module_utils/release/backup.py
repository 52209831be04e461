# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dumps of databases and archives of volumes."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..databases import postgres
from ..errors import StepError
from ..files import write_whole
from ..stack import Service, Volume
from . import archives
from .engine import Container
from .run import Run

_PARTIAL = ".partial-"
# Databases that are archived as files, not dumped.
_HELD_STILL = ("mysql", "mariadb", "mongo", "mongodb", "percona", "percona-server", "percona-server-mongodb")


def dump_databases(run: Run, label: str) -> Path | None:
    """A backup of the databases that run; none before the first start."""
    running = {c.service for c in run.engine.containers(run.data_project.name) if c.running}
    if not any(s.backup and s.name in running for s in run.stack.stateful):
        return None
    return back_up(run, label, volumes=False)


def back_up(run: Run, label: str = "", volumes: bool = True) -> Path:
    """Everything that the description marks for it, in one directory that appears whole or not at all.

    Raises:
        StepError: Something cannot be read, or there is nothing to back up.
    """
    # A run that was killed while it archived left them so.
    run.engine.unpause(run.data_project.name)
    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + (f"-{label}" if label else "")
    # Two within a second, as a second try of a restore makes them.
    same = len(list(run.state.backups.glob(f"{name}*")))
    name += f"-{same + 1}" if same else ""
    partial = run.state.backups / f"{_PARTIAL}{name}"
    for left_over in run.state.backups.glob(f"{_PARTIAL}*"):
        shutil.rmtree(left_over)
    partial.mkdir(mode=0o700)
    try:
        for service in run.stack.stateful:
            if service.backup == "postgres":
                postgres.dump(run, container_of(run, service).id, partial / f"{service.name}.pgdump")
        for volume in volumes_of(run) if volumes else []:
            _archive(run, volume, partial / archive_of(volume))
        written = sorted(partial.iterdir())
        if not written:
            raise StepError(
                "there is nothing to back up",
                advice="Give a service backup: postgres, or a named volume backup: true.",
            )
        current = run.state.serving().current
        manifest = {
            "at": time.time(),
            "release": current.release if current else "",
            "full": volumes,
            "files": digests(written),
        }
        write_whole(partial / "manifest.json", json.dumps(manifest, indent=1) + "\n")
    except BaseException:
        shutil.rmtree(partial)
        raise
    place = run.state.backups / name
    partial.rename(place)
    _expire(run)
    return place


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


def _expire(run: Run) -> None:
    places = whole(run)
    ages = [(d.name, float(manifest_of(d)["at"])) for d in places]
    full = {d.name for d in places if is_full(d)}
    settings = run.settings
    for name in to_expire(ages, settings.keep_backups, settings.keep_backup_days, time.time(), full):
        shutil.rmtree(run.state.backups / name)


def container_of(run: Run, service: Service) -> Container:
    for container in run.engine.containers(run.data_project.name):
        if container.service == service.name and container.running:
            return container
    raise StepError(f"service {service.name} does not run", advice="Run the play, which starts it.")


def volumes_of(run: Run) -> list[Volume]:
    """What is to be archived; a database's own files make no good copy while it runs, its dump does."""
    chosen: dict[str, Volume] = {}
    for service in run.stack.services.values():
        for volume in service.volumes:
            if volume.source and volume.backup and not service.backup:
                chosen.setdefault(volume.source, volume)
    return list(chosen.values())


def place_of(run: Run, volume: Volume) -> Path | None:
    """The directory of a volume, or of the server; None where there is none."""
    if volume.named:
        return run.engine.volume_path(run.stack.volume(volume))
    return Path(volume.source) if Path(volume.source).is_dir() else None


def archive_of(volume: Volume) -> str:
    """The name of its archive within a backup."""
    return f"{quote(volume.source, safe='')}.tar.gz"


def _archive(run: Run, volume: Volume, target: Path) -> None:
    source = place_of(run, volume)
    if not source:
        return
    holders = [s.name for s in run.stack.stateful if _is_database(s) and volume.source in {v.source for v in s.volumes}]
    # Files of a database that writes meanwhile are no copy of it: held still, they are what a power failure leaves.
    if holders:
        run.engine.pause(run.data_project.name, holders)
    try:
        archives.write(run, volume.source, source, target, live=not holders)
    finally:
        if holders:
            run.engine.unpause(run.data_project.name)


def _is_database(service: Service) -> bool:
    return _kind(service.image) in _HELD_STILL


def _kind(image: str) -> str:
    """The last part of an image's repository: `mariadb` of `registry.example.com:5000/base/mariadb:11`."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def manifest_of(place: Path) -> dict[str, Any]:
    """What a backup holds; empty for one that has no manifest that can be read."""
    try:
        manifest = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) and {"at", "files"} <= manifest.keys() else {}


def digests(paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    digests = {}
    for path in paths:
        with path.open("rb") as stream:
            digest = hashlib.sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
        digests[path.name] = {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}
    return digests
