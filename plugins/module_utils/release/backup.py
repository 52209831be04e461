# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dumps of databases and archives of volumes, and the way back from them."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..databases import postgres
from ..files import write_whole
from ..stack import Service, Volume
from .activate import point_edge, restore
from .engine import Container
from .run import Run, StepError

_PARTIAL = ".partial-"


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
    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + (f"-{label}" if label else "")
    partial = run.state.backups / f"{_PARTIAL}{name}"
    for left_over in run.state.backups.glob(f"{_PARTIAL}*"):
        shutil.rmtree(left_over)
    partial.mkdir(mode=0o700)
    try:
        for service in run.stack.stateful:
            if service.backup == "postgres":
                postgres.dump(run, _container(run, service).id, partial / f"{service.name}.pgdump")
        for volume in _volumes(run) if volumes else []:
            _archive(run, volume, partial / f"{volume.source}.tar.gz")
        archives = sorted(partial.iterdir())
        if not archives:
            raise StepError(
                "there is nothing to back up",
                advice="Give a service backup: postgres, or a named volume backup: true.",
            )
        current = run.state.serving().current
        manifest = {
            "at": time.time(),
            "release": current.release if current else "",
            "files": _digests(archives),
        }
        write_whole(partial / "manifest.json", json.dumps(manifest, indent=1) + "\n")
    except BaseException:
        shutil.rmtree(partial)
        raise
    place = run.state.backups / name
    partial.rename(place)
    _expire(run, place)
    return place


def restore_from(run: Run, wanted: str = "") -> Path:
    """Bring back a backup: verified, proved in a scratch container, and only then put in place.

    Raises:
        StepError: The backup is damaged or does not restore; what runs was not touched, or runs again.
    """
    with run.step("verify"):
        place = _chosen(run, wanted)
        _verify(place)
        databases = [s for s in run.stack.stateful if (place / f"{s.name}.pgdump").exists()]
        for service in databases:
            said = postgres.readable(run, _container(run, service).id, place / f"{service.name}.pgdump")
            if said:
                raise StepError(f"{place.name} cannot be read: {said}")
    with run.step("prove"):
        for service in databases:
            postgres.prove(run, _container(run, service).image, place / f"{service.name}.pgdump")
    with run.step("dump"):
        dump_databases(run, "before-restore")
    _put_in_place(run, place, databases)
    return place


def _put_in_place(run: Run, place: Path, databases: Sequence[Service]) -> None:
    """The app rests behind the maintenance page meanwhile, and so does what holds a volume's files open."""
    current = run.state.serving().current
    holders = [s.name for s in run.stack.stateful if s.volumes and not s.backup]
    try:
        with run.step("stop"):
            if current:
                point_edge(run, None)
                run.engine.stop(run.project(current).name)
            if holders:
                run.engine.stop(run.data_project.name, holders)
        with run.step("restore"):
            for service in databases:
                postgres.swap_in(run, _container(run, service).id, place / f"{service.name}.pgdump")
            for volume in _volumes(run):
                _unarchive(run, volume, place / f"{volume.source}.tar.gz")
    finally:
        with run.step("start"):
            run.engine.up(run.data_project, [s.name for s in run.stack.stateful])
            if current:
                restore(run, current)
                point_edge(run, current)


def to_expire(names: Sequence[tuple[str, float]], keep: int, days: float, now: float) -> list[str]:
    """Backups beyond the newest `keep` that are older than `days` as well; names with their times."""
    newest_first = sorted(names, key=lambda n: n[1], reverse=True)
    return [name for name, at in newest_first[max(keep, 1) :] if now - at > days * 86400]


def _expire(run: Run, newest: Path) -> None:
    settings = run.settings
    manifests = [(d, _manifest(d)) for d in run.state.backups.iterdir() if (d / "manifest.json").exists()]
    ages = [(d.name, float(m["at"])) for d, m in manifests if d != newest]
    for name in to_expire(
        [*ages, (newest.name, time.time())], settings.keep_backups, settings.keep_backup_days, time.time()
    ):
        shutil.rmtree(run.state.backups / name)


def _container(run: Run, service: Service) -> Container:
    for container in run.engine.containers(run.data_project.name):
        if container.service == service.name and container.running:
            return container
    raise StepError(f"service {service.name} does not run", advice="Run the play, which starts it.")


def _volumes(run: Run) -> list[Volume]:
    """Named volumes to archive; a database's own files make no good copy while it runs, its dump does."""
    chosen: dict[str, Volume] = {}
    for service in run.stack.services.values():
        for volume in service.volumes:
            if volume.named and volume.backup and not service.backup:
                chosen.setdefault(volume.source, volume)
    return list(chosen.values())


def _archive(run: Run, volume: Volume, target: Path) -> None:
    source = run.engine.volume_path(f"{run.stack.name}_{volume.source}")
    if not source:
        return
    target.touch(mode=0o600)
    argv = [
        "tar",
        "--create",
        "--gzip",
        "--numeric-owner",
        "--file",
        str(target),
        "--directory",
        str(source),
        ".",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    # Status 1: a file changed while it was read, which a live volume's files may.
    if done.returncode > 1:
        raise StepError(f"volume {volume.source} cannot be archived: {done.stderr.strip().splitlines()[-1]}")


def _unarchive(run: Run, volume: Volume, archive: Path) -> None:
    source = run.engine.volume_path(f"{run.stack.name}_{volume.source}")
    if not source or not archive.exists():
        return
    fresh, old = source.with_name(".sluice-restore"), source.with_name(".sluice-replaced")
    if old.exists() and not source.exists():
        # A run died between the two renames below.
        old.rename(source)
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    argv = ["tar", "--extract", "--gzip", "--numeric-owner", "--same-owner", "--preserve-permissions"]
    done = subprocess.run(
        [*argv, "--file", str(archive), "--directory", str(fresh)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        shutil.rmtree(fresh)
        said = done.stderr.strip().splitlines()[-1]
        raise StepError(f"volume {volume.source} cannot be restored: {said}; it is as it was")
    shutil.rmtree(old, ignore_errors=True)
    source.rename(old)
    fresh.rename(source)
    shutil.rmtree(old)


def _chosen(run: Run, wanted: str) -> Path:
    places = sorted(d for d in run.state.backups.glob("[0-9]*") if d.is_dir())
    known = ", ".join(d.name for d in places[-5:]) or "none"
    if not places:
        raise StepError("there is no backup on the server", advice="Run playbooks/backup.yml.")
    matches = [d for d in places if d.name.startswith(wanted)] if wanted else places[-1:]
    if len(matches) != 1:
        raise StepError(f"{wanted!r} names {len(matches)} backups; the newest are: {known}")
    return matches[0]


def _verify(place: Path) -> None:
    if not (place / "manifest.json").exists():
        raise StepError(f"{place.name} has no manifest.json: it is not a backup")
    expected: dict[str, dict[str, Any]] = _manifest(place)["files"]
    for name in expected:
        if not (place / name).exists():
            raise StepError(f"{place.name}/{name} is missing")
    actual = _digests([place / name for name in expected])
    for name, digest in expected.items():
        if actual[name] != digest:
            raise StepError(f"{place.name}/{name} is damaged or cut off: it is not the file that was written")
        if name.endswith(".tar.gz"):
            _read_archive(place / name)


def _read_archive(path: Path) -> None:
    try:
        with tarfile.open(path, "r:gz") as archive:
            for _ in archive:
                pass
    except (tarfile.TarError, OSError, EOFError) as error:
        raise StepError(f"{path.parent.name}/{path.name} cannot be read: {error}")


def _manifest(place: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def _digests(paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    digests = {}
    for path in paths:
        with path.open("rb") as stream:
            digest = hashlib.sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
        digests[path.name] = {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}
    return digests
