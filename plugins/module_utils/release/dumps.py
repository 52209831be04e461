# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Databases into a backup and out of it: dumped, proved, restored, whatever their kind."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ..databases import postgres
from ..databases.access import Opener
from ..databases.kind import Kind
from ..databases.kinds import by_name, kind_of
from ..databases.rows import Counter, Rows, missing
from ..errors import StepError
from ..stack import Service
from .engine import Container
from .run import Run
from .streams import Writer, draining, giving

_OLD = "pgdump"
Begin = Callable[[str], Writer]
"""Begins a stream of a name at one place where a backup goes."""


class _Sink:
    """One part's way to every place; begun anew when its dump is."""

    def __init__(self, name: str, counter: Callable[[], Counter], places: Sequence[Begin]) -> None:
        self._name, self._make, self._places = name, counter, places
        self._writers: list[Writer] = []
        self.counter = counter()

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        self.abort()
        self.counter = self._make()
        for begin in self._places:
            self._writers.append(begin(self._name))
        with draining([self.counter.feed, *(writer.write for writer in self._writers)]) as stream:
            yield stream

    def commit(self) -> list[dict[str, Any]]:
        self.counter.finish()
        written = [writer.commit() for writer in self._writers]
        self._writers = []
        return written

    def abort(self) -> None:
        for writer in self._writers:
            writer.abort()
        self._writers = []


def dump(run: Run, service: Service, kind: Kind, places: Sequence[Begin]) -> dict[str, Any]:
    """Everything that a database holds, to all places in one pass; what the manifest says of it.

    Raises:
        StepError: It refuses, or the dump ends early; no place has kept the part.
    """
    container = container_of(run, service).id
    rows: Rows = {}
    try:
        version = kind.version(run, container)
        for part in kind.parts(run, container):
            sink = _Sink(f"{service.name}.{part}", partial(kind.counter, part), places)
            try:
                rows |= kind.dump(run, container, part, sink.opened)
                sink.commit()
            finally:
                sink.abort()
            rows |= sink.counter.rows
    except StepError as trouble:
        raise StepError(f"service {service.name}: {trouble}", trouble.log, trouble.advice)
    return {"kind": kind.name, "version": version, "rows": rows}


def held_in(run: Run, place: Path, manifest: dict[str, Any]) -> dict[str, dict[str, Opener]]:
    """By service, the parts of its dump that lie in a directory, as the manifest names them or compressed."""
    found: dict[str, dict[str, Opener]] = {}
    for service in run.stack.stateful:
        for path in sorted(place.glob(f"{service.name}.*")):
            part = path.name.removeprefix(f"{service.name}.").removesuffix(".gz")
            if part in ("tar", "sqlite.tar"):
                continue
            if manifest["files"].keys() & {path.name, path.name.removesuffix(".gz")}:
                found.setdefault(service.name, {})[part] = giving(path)
    return found


def prove(run: Run, service: Service, parts: dict[str, Opener], manifest: dict[str, Any]) -> Rows:
    """Restored into a scratch container, and counted.

    Raises:
        StepError: It does not restore, or rows are missing; nothing that runs was touched.
    """
    known = manifest.get("databases", {}).get(service.name, {})
    container = container_of(run, service)
    if _OLD in parts and (said := postgres.readable(run, container.id, parts[_OLD])):
        raise StepError(f"service {service.name}: the dump cannot be read: {said}")
    rows = _kind(service, manifest).prove(run, container.image, parts)
    if lost := missing(known.get("rows", {}), rows):
        raise StepError(f"service {service.name}: {lost}")
    return rows


def restore(run: Run, service: Service, parts: dict[str, Opener], manifest: dict[str, Any]) -> None:
    """Put in the place of what the service holds.

    Raises:
        StepError: It failed.
    """
    try:
        _kind(service, manifest).restore(run, container_of(run, service).id, parts)
    except StepError as trouble:
        raise StepError(f"service {service.name}: {trouble}", trouble.log, trouble.advice)


def container_of(run: Run, service: Service) -> Container:
    for container in run.engine.containers(run.data_project.name):
        if container.service == service.name and container.running:
            return container
    raise StepError(f"service {service.name} does not run", advice="Run the play, which starts it.")


def _kind(service: Service, manifest: dict[str, Any]) -> Kind:
    named = manifest.get("databases", {}).get(service.name, {}).get("kind", "postgres")
    kind = by_name(named) or kind_of(service)
    if not kind:
        raise StepError(f"the backup holds a dump of kind {named}, which this version of the collection does not know")
    return kind
