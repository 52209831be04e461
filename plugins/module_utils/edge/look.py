# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the engine and the kernel tell of the edge: who is on its network, which nginx runs, and its workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from .model import Edge


class Look(NamedTuple):
    """What runs at one moment."""

    addresses: dict[str, tuple[str, ...]]
    """Alias on the edge network → addresses of the running containers that carry it."""
    master: int = 0
    """The process id of nginx's master on the host; 0 when it does not run, or runs from another image."""
    image: str = ""
    """The id of the image that it runs from; empty likewise."""
    namespace: str = ""
    """nginx's own network, where no other leads to the addresses; empty where the host's does."""


def look_at(containers: list[dict[str, Any]], edge: Edge, name: str) -> Look:
    """Read `docker inspect`.

    Args:
        containers: What it printed.
        edge: The edge, with its network and image.
        name: nginx's container.
    """
    seen = Look(aliases_of(containers, edge.network))
    for container in containers:
        if container.get("Name") == f"/{name}":
            if edge.overlay:
                seen = seen._replace(namespace=container["NetworkSettings"]["SandboxKey"])
            if container["Config"]["Image"] == edge.image:
                return seen._replace(master=container["State"]["Pid"], image=container["Image"])
    return seen


def aliases_of(containers: list[dict[str, Any]], network: str) -> dict[str, tuple[str, ...]]:
    """Read `docker inspect`."""
    found: dict[str, set[str]] = {}
    for container in containers:
        attached = container["NetworkSettings"]["Networks"].get(network) or {}
        if attached.get("IPAddress"):
            for alias in attached.get("Aliases") or []:
                found.setdefault(alias, set()).add(attached["IPAddress"])
    return {alias: tuple(sorted(addresses)) for alias, addresses in found.items()}


def workers(master: int, proc: Path = Path("/proc")) -> set[int]:
    """The workers that accept connections; those that only finish old ones are not among them."""
    found = set()
    for status in proc.glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything, so count from its end.
            parent = int(status.read_text().rsplit(")", 1)[1].split()[1])
            if parent == master:
                title = (status.parent / "cmdline").read_bytes().rstrip(b"\0 ")
                if title == b"nginx: worker process":
                    found.add(int(status.parent.name))
        except (OSError, IndexError):
            continue
    return found
