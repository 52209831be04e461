# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""In which order the services of a release start."""

from __future__ import annotations

from .model import Condition, Service, Stack


def levels(stack: Stack, own_word: bool = False) -> list[tuple[Service, ...]]:
    """The release's services and jobs: each level needs only what stands in those before it.

    Args:
        own_word: Only what the description says counts, not that workers come after web services by themselves.
    """
    left = {s.name: s for s in stack.released}
    found: list[tuple[Service, ...]] = []
    while left:
        ready = tuple(s for s in left.values() if not needs(stack, s, own_word).keys() & left.keys())
        if not ready:
            break
        found.append(ready)
        for service in ready:
            del left[service.name]
    return found


def needs(stack: Stack, service: Service, own_word: bool = False) -> dict[str, Condition]:
    """What must be there before a service starts, and in which condition."""
    return service.depends_on if own_word else stack.needs(service)


def circle(stack: Stack) -> list[str]:
    """Services that wait for each other, the first once more at the end; empty where there are none."""
    for start in stack.services:
        path = _path(stack, start, start, set())
        if path:
            return [start, *path]
    return []


def _path(stack: Stack, at: str, end: str, seen: set[str]) -> list[str]:
    """The way from one service's needs to another."""
    for name in stack.needs(stack.services[at]):
        if name == end:
            return [end]
        if name not in seen:
            seen.add(name)
            path = _path(stack, name, end, seen)
            if path:
                return [name, *path]
    return []
