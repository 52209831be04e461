# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backups to restore from, whether they lie on the server or in a repository: found, fetched, held against digests."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any, Protocol

from ..databases.access import Opener
from ..errors import StepError
from . import archives, dumps, repository
from .backup import digests, is_full, manifest_of
from .copies import SQLITE
from .restic import Restic
from .run import Run

_ROOM = ".fetched"
# Images in a backup; only who asks for them fetches them.
IMAGES = "images.tar"


class Source(Protocol):
    """One backup whose files are those that were written."""

    name: str
    manifest: dict[str, Any]

    def parts(self, run: Run) -> dict[str, dict[str, Opener]]:
        """By service, the parts of its dump."""

    def holds(self, volume: str) -> bool: ...

    def unpack(self, run: Run, volume: str, target: Path) -> None:
        """A volume's content in a fresh directory."""

    def drop(self) -> None:
        """What was fetched goes."""


class OnDisk:
    """A directory of the server."""

    def __init__(self, place: Path) -> None:
        self.name, self.place = place.name, place
        self.manifest = verify(place)

    def parts(self, run: Run) -> dict[str, dict[str, Opener]]:
        return dumps.held_in(run, self.place, self.manifest)

    def holds(self, volume: str) -> bool:
        return (self.place / f"{volume}.tar.gz").exists()

    def unpack(self, run: Run, volume: str, target: Path) -> None:
        held = [self.place / f"{name}.tar.gz" for name in _layers(volume)]
        archives.unpack(run, [archive for archive in held if archive.exists()], target)

    def drop(self) -> None:
        """It stays."""


class InRepository:
    """Dumps are fetched at once, volumes when they are wanted."""

    def __init__(self, run: Run, restic: Restic, backup: repository.Stored) -> None:
        self.name, self._restic = backup.name, restic
        self._room = run.state.backups / _ROOM
        shutil.rmtree(self._room, ignore_errors=True)
        self._room.mkdir(mode=0o700)
        try:
            self.manifest = repository.manifest_in(restic, backup)
            for name, told in self.manifest["files"].items():
                if "sha256" in told and name != IMAGES:
                    repository.fetch_stream(restic, name, told, self._room / f"{name}.gz")
        except BaseException:
            self.drop()
            raise

    def parts(self, run: Run) -> dict[str, dict[str, Opener]]:
        return dumps.held_in(run, self._room, self.manifest)

    def holds(self, volume: str) -> bool:
        return volume in self.manifest["files"]

    def unpack(self, run: Run, volume: str, target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(mode=0o700)
        files = self.manifest["files"]
        try:
            for name in _layers(volume):
                if name in files:
                    repository.fetch_directory(self._restic, files[name], target)
        except BaseException:
            shutil.rmtree(target)
            raise
        told = files[volume]
        os.chown(target, told["uid"], told["gid"])
        target.chmod(told["mode"])

    def drop(self) -> None:
        shutil.rmtree(self._room, ignore_errors=True)


def _layers(volume: str) -> tuple[str, str]:
    """The two parts of a volume, the second over the first: owners and modes of directories are those of the second."""
    return f"{volume}{SQLITE}", volume


def choose(run: Run, wanted: str = "", place: str = "any") -> Source:
    """A backup by its name or first characters; the newest that holds everything by default.

    Args:
        place: Where to look: `local`, `repository`, or `any`.

    Raises:
        StepError: There is none, or it is damaged.
    """
    local = [] if place == "repository" else sorted(d for d in run.state.backups.glob("[0-9]*") if d.is_dir())
    offsite: list[repository.Stored] = []
    if run.settings.keeping.repository and place != "local":
        restic = Restic(run.settings.keeping.repository, run.inherit)
        # What lies on the server is enough where the repository has nothing yet.
        with contextlib.suppress(StepError) if local else contextlib.nullcontext():
            offsite = repository.stored(restic, run.stack.name)
    names = sorted({d.name for d in local} | {s.name for s in offsite})
    if not names:
        raise StepError("there is no backup on the server", advice="Run playbooks/backup.yml.")
    name = named(names, wanted) if wanted else _newest(local, offsite, names)
    if found := next((d for d in local if d.name == name), None):
        return OnDisk(found)
    return InRepository(run, restic, next(s for s in offsite if s.name == name))


def named(names: list[str], wanted: str) -> str:
    """The one backup that is meant by its name or first characters."""
    matches = [name for name in names if name == wanted] or [name for name in names if name.startswith(wanted)]
    if len(matches) != 1:
        raise StepError(f"{wanted!r} names {len(matches)} backups; the newest are: {', '.join(names[-5:])}")
    return matches[0]


def _newest(local: list[Path], offsite: list[repository.Stored], names: list[str]) -> str:
    # A damaged one is refused by name, not passed over for an older one.
    full = [d.name for d in local if is_full(d)] + [s.name for s in offsite]
    if not full:
        raise StepError(
            "no backup on the server holds everything, only dumps of the databases",
            advice=f"Name the one to restore from; the newest are: {', '.join(names[-5:])}.",
        )
    return max(full)


def verify(place: Path) -> dict[str, Any]:
    """The manifest of a backup whose files are all there, and are those that were written.

    Raises:
        StepError: They are not.
    """
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
    return manifest
