# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who listens on a TCP port of this host."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

_LISTEN = "0A"
_PROC = Path("/proc")


class Process(NamedTuple):
    pid: int
    name: str


def parse_listeners(table: str) -> dict[str, int]:
    """Socket inode to port for each listening socket of a `/proc/net/tcp` table."""
    rows = (line.split() for line in table.splitlines()[1:])
    return {row[9]: int(row[1].rpartition(":")[2], 16) for row in rows if len(row) > 9 and row[3] == _LISTEN}


def read_listeners(proc: Path = _PROC) -> dict[int, str]:
    """TCP ports that are listened on, and the name of a process that does; empty where unknown."""
    ports = _listening(proc)
    owners: dict[str, str] = {}
    for inode, process in _owners(ports, proc):
        owners[inode] = process.name
        if len(owners) == len(ports):
            break
    return {port: owners.get(inode, "") for inode, port in sorted(ports.items(), key=lambda item: item[1])}


def holder(port: int, proc: Path = _PROC) -> str:
    """The process that listens on a TCP port, as `nginx (pid 812)`; empty for none."""
    sockets = [inode for inode, bound in _listening(proc).items() if bound == port]
    if not sockets:
        return ""
    for _, process in _owners(sockets, proc):
        return f"{process.name} (pid {process.pid})"
    return "a process of another namespace"


def _listening(proc: Path) -> dict[str, int]:
    return {i: port for table in ("tcp", "tcp6") for i, port in parse_listeners(_text(proc / "net" / table)).items()}


def _owners(inodes: Collection[str], proc: Path) -> Iterator[tuple[str, Process]]:
    """Which process has which of the sockets open, the oldest process first."""
    for pid in sorted(int(path.name) for path in proc.glob("[0-9]*")):
        try:
            for descriptor in os.scandir(proc / str(pid) / "fd"):
                target = os.readlink(descriptor.path)
                if target.startswith("socket:[") and target[8:-1] in inodes:
                    yield target[8:-1], Process(pid, _text(proc / str(pid) / "comm").strip())
        except OSError:
            # It ended, or is closed to us.
            continue


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
