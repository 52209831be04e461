# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of a project that travel with its releases.

Each is copied to a place that is named by its content. So a changed file is another Compose file and another release,
what runs keeps the files that it started with, and a rollback finds its own.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from ..errors import StepError
from ..files import write_whole
from ..stack import File, Service, Stack

RELEASE, DATA = "files", "../data-files"
"""Where they lie, seen from the directory of a release, and from that of the stateful services."""


def places(services: Sequence[Service], room: str) -> dict[str, list[str]]:
    """Where the files of each service lie, or will; those of which the source is not there have a place as well."""
    return {s.name: [f"./{room}/{_name(file)}" for file in s.files] for s in services if s.files}


def refuse_missing(stack: Stack) -> None:
    """Raises a StepError that names every source which is not on the server."""
    missing = [
        f"stack_services.{service.name}.files[{index}].source: {file.source} is not on the server"
        for service in stack.services.values()
        for index, file in enumerate(service.files)
        if file.source and not Path(file.source).exists()
    ]
    if missing:
        raise StepError("; ".join(missing), advice="Put it there, or leave the entry out.")


def write(service: Service, room: Path) -> None:
    """Copy a service's files to their places; what is there already stays.

    Raises:
        StepError: A source changed meanwhile, or holds what cannot be copied.
        OSError: It cannot be read or written.
    """
    for file in service.files:
        room.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = room / _name(file)
        if place.exists():
            continue
        fresh = room / f".new-{place.name}"
        _remove(fresh)
        if file.source:
            _copy(Path(file.source).resolve(), fresh)
        else:
            write_whole(fresh, file.content, int(file.mode, 8), (file.uid, file.uid) if file.uid else None)
        if file.source and _digest(fresh) != place.name.partition("-")[0]:
            raise StepError(f"{file.source} changed while it was copied", advice="Run the same play again.")
        fresh.rename(place)


def forget(room: Path, text: str) -> None:
    """Remove what a Compose file does not mention any more."""
    for place in room.iterdir() if room.is_dir() else ():
        if place.name not in text:
            _remove(place)


def _name(file: File) -> str:
    """The digest tells it apart, the rest is for people."""
    known = re.sub(r"[^A-Za-z0-9._-]", "_", PurePosixPath(file.path).name)
    if file.source:
        return f"{_digest(Path(file.source).resolve())}-{known}"
    text = f"{int(file.mode, 8):o} {file.uid or 0}\0{file.content}"
    return f"{hashlib.sha256(text.encode()).hexdigest()[:12]}-{known}"


def _digest(place: Path) -> str:
    digest = hashlib.sha256()
    for part in _parts(place):
        digest.update(part)
    return digest.hexdigest()[:12]


def _parts(place: Path) -> Iterator[bytes]:
    """All that makes two trees differ: names, kinds, modes, owners, contents."""
    for path in [place, *sorted(place.rglob("*"))] if place.exists() else ():
        about = path.lstat()
        kind = stat.S_IFMT(about.st_mode)
        name = str(path.relative_to(place)) if path != place else ""
        yield f"\0{name}\0{kind:o} {stat.S_IMODE(about.st_mode):o} {about.st_uid} {about.st_gid}\0".encode()
        if kind == stat.S_IFREG:
            with path.open("rb") as stream:
                while block := stream.read(1 << 20):
                    yield block
        elif kind == stat.S_IFLNK:
            yield os.readlink(path).encode()


def _copy(source: Path, target: Path) -> None:
    """With modes, owners and links as they are."""
    about = source.lstat()
    if stat.S_ISDIR(about.st_mode):
        target.mkdir()
        for child in source.iterdir():
            _copy(child, target / child.name)
    elif stat.S_ISLNK(about.st_mode):
        target.symlink_to(os.readlink(source))
    elif stat.S_ISREG(about.st_mode):
        shutil.copyfile(source, target)
        with target.open("rb") as stream:
            os.fsync(stream.fileno())
    else:
        raise StepError(f"{source} is neither a file nor a directory", advice="Leave it out of files.")
    os.chown(target, about.st_uid, about.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(about.st_mode):
        target.chmod(stat.S_IMODE(about.st_mode))


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
