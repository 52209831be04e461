# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One change at a time, of a stack or of the edge.

The kernel holds the lock, so it cannot outlive its holder: not after kill -9, not after a reboot. Commands
that the holder starts inherit it: when the holder dies and its migration runs on, the lock stays with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from .errors import UserError

_POLL = 0.1


@contextlib.contextmanager
def locked(path: Path, what: str, wait: float, setting: str = "") -> Iterator[int]:
    """Hold the lock; yields the descriptor for child processes to inherit.

    Args:
        path: The lock's file; its directory exists.
        what: What it is held for, to tell who finds it held.
        wait: Seconds.
        setting: The setting that says how long to wait, where there is one.

    Raises:
        UserError: Someone else held it for the whole of `wait` seconds; names the holder.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Whoever can open it can hold it.
        os.fchmod(descriptor, 0o600)
        deadline = time.monotonic() + wait
        while not _try(descriptor):
            if time.monotonic() >= deadline:
                longer = f", or raise {setting}" if setting else ""
                raise UserError(f"{_holder(path)}; run again when it has ended{longer}.")
            time.sleep(_POLL)
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": round(time.time()), "what": what}
        os.ftruncate(descriptor, 0)
        # On a full disk the lock counts without its note.
        with contextlib.suppress(OSError):
            os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        try:
            yield descriptor
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        age = round(time.time() - holder["since"])
        alive = Path(f"/proc/{holder['pid']}").exists()
    except (OSError, ValueError, KeyError):
        return f"Another run holds the lock {path}"
    text = f"{holder['what']} (process {holder['pid']} on {holder['host']}, for {age} s) holds the lock {path}"
    return text if alive else f"{text}; it died, but a command that it started still runs (fuser {path} names it)"
