# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who listens on a port of this host."""

from __future__ import annotations

import os
from pathlib import Path

_LISTEN = "0A"


def holder(port: int, proc: Path = Path("/proc")) -> str:
    """The process that listens on a TCP port, as `nginx (pid 812\\)`; empty for none."""
    sockets = _listening(port, proc)
    if not sockets:
        return ""
    for folder in sorted(proc.glob("[0-9]*/fd"), key=lambda p: int(p.parent.name)):
        try:
            for entry in folder.iterdir():
                if os.readlink(entry) in sockets:
                    name = (folder.parent / "comm").read_text().strip()
                    return f"{name} (pid {folder.parent.name})"
        except OSError:
            continue
    return "a process of another namespace"


def _listening(port: int, proc: Path) -> set[str]:
    found = set()
    for table in ("net/tcp", "net/tcp6"):
        path = proc / table
        for row in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = row.split()
            if fields[3] == _LISTEN and int(fields[1].rsplit(":", 1)[1], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found
