# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each service of a project is: the first rule that holds decides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .dockerfiles import built_from
from .tables import (
    DATA_CLIENTS,
    DATA_IMAGES,
    DATABASE_PLACES,
    EDGE_IMAGES,
    EDGE_PORTS,
    PROXY_IMAGES,
    SCHEDULER,
    WATCHER_IMAGES,
)

Kind = Literal["edge", "job", "data", "web", "internal", "worker"]
KINDS: tuple[Kind, ...] = ("edge", "job", "data", "web", "internal", "worker")
Services = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Decided:
    """A service's kind, and the rule that says so."""

    kind: Kind
    why: str
    schedules: bool = False
    """Two of it at once would do everything twice."""


def kind_of(name: str, services: Services, routed: Mapping[str, str], passes_on: bool | None) -> Decided:
    """The kind of one service.

    Args:
        routed: Compose's names of services that routes lead to, and where those routes come from.
        passes_on: Whether its own configuration does nothing but pass on; None where that cannot be told.
    """
    service = services[name]
    image = repository(service)
    if name in routed:
        return Decided("web", routed[name])
    if found := _edge(service, image, passes_on):
        return found
    if found := _job(name, service, image, services):
        return found
    if DATA_IMAGES.fullmatch(image):
        return Decided("data", f"it is built from {image}" if service.get("build") else f"its image is {image}")
    if place := _database_place(service):
        return Decided("data", f"it keeps a database at {place}")
    asked = [n for n, other in services.items() if n != name and _asks(name, service, other)]
    schedules = _schedules(name, service)
    if asked and not schedules:
        return Decided("internal", f"{', '.join(sorted(asked)[:3])} needs it")
    if (service.get("ports") or service.get("expose")) and not schedules:
        return Decided("internal", "it listens, and no route leads to it")
    return Decided("worker", "it runs on a schedule" if schedules else "nothing asks it", schedules)


def repository(service: Mapping[str, Any]) -> str:
    """The last part of the repository of a service's image, or of what that is built from, in lower case."""
    image = built_from(service["build"]).base if service.get("build") else str(service.get("image") or "")
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()


def targets(service: Mapping[str, Any]) -> list[int]:
    """The ports on which it says that it listens by TCP, published ones first."""
    ports = [int(p["target"]) for p in service.get("ports") or [] if p.get("protocol", "tcp") == "tcp"]
    for entry in service.get("expose") or []:
        first, _, protocol = str(entry).partition("/")
        if protocol in ("", "tcp") and first.isdigit():
            ports.append(int(first))
    if not ports and service.get("build"):
        ports += built_from(service["build"]).ports
    return list(dict.fromkeys(ports))


def published(service: Mapping[str, Any]) -> set[int]:
    """The ports of the server that it asks for."""
    return {int(p["published"]) for p in service.get("ports") or [] if str(p.get("published") or "").isdigit()}


def command_text(service: Mapping[str, Any]) -> str:
    """Entry point and command, as one text to look into."""
    return " ".join(str(w) for key in ("entrypoint", "command") for w in service.get(key) or [])


def _edge(service: Mapping[str, Any], image: str, passes_on: bool | None) -> Decided | None:
    if WATCHER_IMAGES.fullmatch(image):
        return Decided("edge", "it looks after containers, which a release does")
    if EDGE_IMAGES.fullmatch(image):
        return Decided("edge", f"its image is {image}")
    if not PROXY_IMAGES.fullmatch(image) or service.get("build") or passes_on is False:
        return None
    if passes_on and published(service):
        return Decided("edge", "its configuration only passes on")
    if passes_on is None and published(service) & EDGE_PORTS:
        return Decided("edge", f"{image} at the ports {', '.join(map(str, sorted(published(service) & EDGE_PORTS)))}")
    return None


def _job(name: str, service: Mapping[str, Any], image: str, services: Services) -> Decided | None:
    for other, it in services.items():
        waited = (it.get("depends_on") or {}).get(name) or {}
        if waited.get("condition") == "service_completed_successfully":
            return Decided("job", f"{other} waits until it has completed")
    data = bool(DATA_IMAGES.fullmatch(image))
    client = bool(DATA_CLIENTS.search(command_text(service)))
    restart = str(service.get("restart") or "")
    if data and client and not service.get("ports") and not _keeps(service):
        return Decided("job", "it runs a client of a database, and keeps nothing")
    # A database that nobody restarts is one still.
    if restart == "no" and not data and not service.get("ports"):
        return Decided("job", 'restart is "no"')
    return None


def _keeps(service: Mapping[str, Any]) -> bool:
    mounts = service.get("volumes") or []
    return any(m["type"] == "volume" and not m.get("read_only") for m in mounts)


def _database_place(service: Mapping[str, Any]) -> str:
    """Where it keeps files that only a database makes."""
    writable = [str(m["target"]).rstrip("/") for m in service.get("volumes") or [] if not m.get("read_only")]
    return next((target for target in writable if DATABASE_PLACES.fullmatch(target)), "")


def _asks(name: str, service: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether another service depends on this one, or has its name in what it is given."""
    if name in (other.get("depends_on") or {}):
        return True
    names = {name, str(service.get("container_name") or name), str(service.get("hostname") or name)}
    given = json.dumps([other.get("environment"), command_text(other)], default=str)
    return any(f"//{n}:" in given or f"//{n}/" in given or f'"{n}"' in given or f"@{n}:" in given for n in names)


def _schedules(name: str, service: Mapping[str, Any]) -> bool:
    last = command_text(service).lower()
    return bool(SCHEDULER.search(name.lower()) or SCHEDULER.search(last) or repository(service) in ("ofelia",))
