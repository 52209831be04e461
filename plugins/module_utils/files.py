# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one way to write a file whole: its mode is right from the first byte, and a power failure loses nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

Content = TypeVar("Content", bytes, "bytes | None")

# Who waits for the disk at once: it makes what is durable by then durable in one go.
_WRITERS = 16


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
    try:
        _write_new(draft, content.encode() if isinstance(content, str) else content, mode, owner)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


def put_in_place(draft: Path, path: Path) -> None:
    draft.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """What was created, renamed or removed in the directory survives a power failure."""
    _sync(directory, os.O_DIRECTORY)


def sync_file(path: Path) -> None:
    """So does what another process wrote to a file."""
    _sync(path)


def _sync(path: Path, kind: int = 0) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | kind)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_tree(top: Path, files: Mapping[str, bytes], mode: int = 0o600) -> None:
    """Many durable files below a new directory that nobody reads yet, and the directories that they lie in.

    They wait for the disk together: one after the other would take it many times as long. The directories are the
    caller's to sync, once all is said about them.

    Args:
        top: It is there, and empty.
        files: Content by path below it.
        mode: Permission bits of the files.

    Raises:
        OSError: One cannot be written; those before it are there.
    """
    for directory in {(top / path).parent for path in files}:
        directory.mkdir(parents=True, exist_ok=True)
    failed: list[BaseException] = []

    def write(paths: Sequence[str]) -> None:
        try:
            for path in paths:
                _write_new(top / path, files[path], mode)
        except BaseException as error:
            failed.append(error)

    paths = list(files)
    writers = [threading.Thread(target=write, args=(paths[n::_WRITERS],)) for n in range(_WRITERS) if paths[n:]]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    if failed:
        raise failed[0]


def read_tree(top: Path) -> dict[str, bytes]:
    """Content by path below a directory, as `write_tree` takes it; empty where it is not there."""
    found = {}
    for directory, _, names in os.walk(top):
        for name in names:
            path = f"{directory}/{name}"
            found[os.path.relpath(path, top)] = Path(path).read_bytes()
    return found


def _write_new(path: Path, content: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        if owner:
            os.fchown(stream.fileno(), *owner)
        os.fchmod(stream.fileno(), mode)
        stream.flush()
        os.fsync(stream.fileno())


def differing(wanted: Mapping[Path, tuple[Content, int]]) -> dict[Path, tuple[Content, int]]:
    """Of files with their contents and modes, those that are otherwise; None is the content of one that is to go."""
    found = {}
    for path, (content, mode) in wanted.items():
        present = path.read_bytes() if path.exists() else None
        if present != content or (content is not None and path.stat().st_mode & 0o777 != mode):
            found[path] = (content, mode)
    return found
