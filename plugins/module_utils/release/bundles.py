# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file or a directory of a stack as bytes, which are the same as long as it is; owners and modes are of it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import lzma
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from ..errors import EngineError
from ..files import put_in_place, write_whole

# What is of one node alone: a long log, whom a timer stops, and which colour it is for who looks.
_LEFT_OUT = ("build.log", "warm", ".env")


def pack(place: Path) -> bytes:
    """The content of a file, or of all files below a directory."""
    room = io.BytesIO()
    with tarfile.open(fileobj=room, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file()):
            if path.name in _LEFT_OUT:
                continue
            told = path.stat()
            member = tarfile.TarInfo("." if path == place else str(path.relative_to(place)))
            member.size, member.mode, member.uid, member.gid = (
                told.st_size,
                told.st_mode & 0o777,
                told.st_uid,
                told.st_gid,
            )
            archive.addfile(member, io.BytesIO(path.read_bytes()))
    return lzma.compress(room.getvalue(), preset=1)


def unpack(content: bytes, place: Path) -> None:
    """What was packed stands in its place, which is made anew.

    Raises:
        EngineError: It was not packed by this.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(lzma.decompress(content))) as archive:
            files = {m: archive.extractfile(m).read() for m in archive.getmembers()}  # type: ignore[union-attr]
    except (lzma.LZMAError, tarfile.TarError, AttributeError) as error:
        raise EngineError(f"what the swarm keeps for {place} is damaged: {error}")
    if [member.name for member in files] == ["."]:
        ((member, text),) = files.items()
        write_whole(place, text, member.mode)
        return
    draft = place.with_name(f".{place.name}.swarm")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    for member, text in files.items():
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise EngineError(f"what the swarm keeps for {place} leads elsewhere: {member.name}")
        for made in reversed((draft / path).relative_to(draft).parents[:-1]):
            (draft / made).mkdir(mode=0o700, exist_ok=True)
        write_whole(draft / path, text, member.mode, (member.uid, member.gid))
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(place)
    put_in_place(draft, place)


def digest_of(stack: str, content: bytes) -> str:
    return hashlib.sha256(f"{stack}:".encode() + content).hexdigest()[:16]
