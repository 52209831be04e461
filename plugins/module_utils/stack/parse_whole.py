# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What services mean to each other: order, names, ports and volumes."""

from __future__ import annotations

from collections.abc import Iterator

from .model import Service, Stack
from .order import circle


def check_whole(stack: Stack) -> list[str]:
    """What is wrong between services that are each well described, a sentence each."""
    found = [*_dependencies(stack), *_names(stack), *_published(stack), *_volumes(stack)]
    return found if found else [*_circle(stack)]


def _dependencies(stack: Stack) -> Iterator[str]:
    for service in stack.services.values():
        for name, condition in service.depends_on.items():
            where, other = f"stack_services.{service.name}.depends_on.{name}", stack.services.get(name)
            if not other:
                yield f"{where}: no service {name!r} in stack_services; they are {', '.join(stack.services)}."
            elif service.stateful and not other.stateful:
                yield f"{where}: a stateful service is up before those of a release; leave it out."
            elif condition == "completed" and other.role != "job":
                yield f"{where}: {name} is no job, and so never completed; give it role: job, or wait for healthy."


def _circle(stack: Stack) -> Iterator[str]:
    names = circle(stack)
    if names:
        yield f"stack_services.{names[0]}.depends_on: {' waits for '.join(names)}; leave out one of them."


def _names(stack: Stack) -> Iterator[str]:
    taken = {name: name for name in stack.services}
    for service in stack.services.values():
        for alias in service.aliases:
            if taken.setdefault(alias, service.name) != service.name:
                yield f"stack_services.{service.name}.aliases: {alias!r} is a name of {taken[alias]} already."


def _published(stack: Stack) -> Iterator[str]:
    taken: dict[tuple[int, str], str] = {}
    for service in stack.services.values():
        where = f"stack_services.{service.name}.publish"
        if service.publish and not _single(stack, service):
            yield (
                f"{where}: a port of the server leads to one container, and a release starts the new one beside the"
                " old; give order: stop_first, or leave it out and lead a route to the service."
            )
        for port in service.publish:
            if (port.published, port.protocol) in taken:
                other = taken[port.published, port.protocol]
                yield f"{where}: {port.published}/{port.protocol} is published by {other} already."
            taken[port.published, port.protocol] = service.name


def _single(stack: Stack, service: Service) -> bool:
    if service.role == "job" or service.replicas > 1:
        return False
    return service.stateful or service.stops_first or stack.strategy == "recreate"


def _volumes(stack: Stack) -> Iterator[str]:
    seen: dict[str, tuple[object, ...]] = {}
    for service in stack.services.values():
        for volume in service.volumes:
            form = (volume.name, volume.external, volume.driver, volume.driver_opts)
            if volume.named and seen.setdefault(volume.source, form) != form:
                yield (
                    f"stack_services.{service.name}.volumes: {volume.source} has another name, driver or external"
                    " elsewhere; write the same wherever it is used."
                )
