# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one way to write a file whole: its mode is right from the first byte, and a power failure loses nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

Content = TypeVar("Content", bytes, "bytes | None")


def write_whole(
    path: Path,
    content: str | bytes,
    mode: int = 0o600,
    owner: tuple[int, int] | None = None,
    check: Callable[[Path], None] | None = None,
) -> None:
    """The file holds either its old content or all of the new, whenever the process dies or the power fails.

    Args:
        path: The file; its directory exists.
        content: Text is written as UTF-8, its line ends as they are.
        mode: Permission bits of the new file, whatever the umask.
        owner: User and group id; by default those of the process.
        check: Looks at the draft before it takes the file's place; what it raises leaves the old file.

    Raises:
        OSError: The file cannot be written; the old one is as it was, and no draft is left.
    """
    draft = write_draft(path, content, mode, owner)
    try:
        if check:
            check(draft)
        put_in_place(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_draft(path: Path, content: str | bytes, mode: int = 0o600, owner: tuple[int, int] | None = None) -> Path:
    """The new content beside its place, durable; for files that are replaced together or not at all.

    Raises:
        OSError: It cannot be written; no draft is left.
    """
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            if owner:
                os.fchown(stream.fileno(), *owner)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


def put_in_place(draft: Path, path: Path) -> None:
    draft.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """What was created, renamed or removed in the directory survives a power failure."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def differing(wanted: Mapping[Path, tuple[Content, int]]) -> dict[Path, tuple[Content, int]]:
    """Of files with their contents and modes, those that are otherwise; None is the content of one that is to go."""
    found = {}
    for path, (content, mode) in wanted.items():
        present = path.read_bytes() if path.exists() else None
        if present != content or (content is not None and path.stat().st_mode & 0o777 != mode):
            found[path] = (content, mode)
    return found
