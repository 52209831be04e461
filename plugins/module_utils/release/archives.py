# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Archives of volumes: written, read back to their end, and unpacked beside what they will replace."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from ..errors import StepError
from .run import Run

_TIMEOUT = 12 * 3600
# What tar says of a file that a running app wrote, grew or removed meanwhile.
_CHANGED = ("file changed as we read it", "File removed before we read it", "File shrank by")


# Access lists and extended attributes, a file's capabilities for one, whatever their namespace.
_ALL_OF_A_FILE = ("--numeric-owner", "--acls", "--xattrs", "--xattrs-include=*")


def write(run: Run, source: Path, target: Path, live: bool, exclude: Sequence[str] = ()) -> None:
    """An archive of a directory, mode 0600, read back to its end.

    Args:
        live: Whether files may change meanwhile.
        exclude: Files that are left out, relative to the directory.

    Raises:
        StepError: It is not whole.
    """
    target.touch(mode=0o600)
    left_out = [f"--exclude=./{path}" for path in exclude]
    argv = ["tar", "--create", "--gzip", *_ALL_OF_A_FILE, "--file", str(target), "--anchored", "--no-wildcards"]
    status, said = _tar(run, [*argv, *left_out, "--directory", str(source), "."])
    complaints = [line for line in said.splitlines() if not any(word in line for word in _CHANGED)]
    if status and not (live and status == 1 and said and not complaints):
        raise StepError(f"it cannot be archived: {_reason(status, complaints or said.splitlines())}")
    read_back(target)


def read_back(path: Path) -> None:
    """Read an archive to its last byte.

    Raises:
        StepError: It is damaged or cut off.
    """
    try:
        with gzip.open(path) as content:
            with tarfile.open(fileobj=content, mode="r|") as archive:
                for _ in archive:
                    pass
            while content.read(1 << 20):
                pass
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise StepError(f"{path.parent.name}/{path.name} cannot be read: {error}")


def unpack(run: Run, archives: Sequence[Path], target: Path) -> None:
    """Unpack into a fresh directory, one archive over the other.

    Raises:
        StepError: One does not unpack; the directory is gone again.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=0o700)
    argv = ["tar", "--extract", "--gzip", *_ALL_OF_A_FILE, "--same-owner", "--preserve-permissions"]
    for archive in archives:
        status, said = _tar(run, [*argv, "--file", str(archive), "--directory", str(target)])
        if status:
            shutil.rmtree(target)
            raise StepError(f"{archive.name} cannot be unpacked: {_reason(status, said.splitlines())}")


def _tar(run: Run, argv: list[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
            pass_fds=run.inherit,
            timeout=_TIMEOUT,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise StepError(f"tar did not end within {_TIMEOUT // 3600} h")
    return done.returncode, done.stderr.strip()


def _reason(status: int, lines: list[str]) -> str:
    if status < 0:
        return f"tar was ended by signal {-status}"
    return lines[-1] if lines else f"tar ended with status {status}"
