# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Configs and secrets of a swarm, as a place where its managers leave each other what they have to know.

Both are written once, under a name that no other has: of two who write at the same time, one is told so. A config can
be read by every manager's engine, and a secret by a task alone.
"""

from __future__ import annotations

import base64
import contextlib
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol

from ..errors import EngineError, FasterError
from .questions import understood
from .swarmlook import SwarmLook

# What the engine says where another was faster.
_FASTER = ("already exists", "update out of sequence", "not found")
_READ_SECONDS = 60.0
_ENDS = ("complete", "failed", "rejected")
# Images that are tried for a shell.
_TRIED = 20


@dataclass(frozen=True)
class Note:
    """A config that is there."""

    id: str
    name: str
    version: int
    labels: dict[str, str]
    text: str


class Shelf(Protocol):
    """What the managers of a swarm share."""

    def notes(self, label: str) -> list[Note]:
        """The configs that bear a label."""

    def write(self, name: str, labels: Mapping[str, str], text: str) -> None:
        """A new config.

        Raises:
            FasterError: There is one of that name.
        """

    def relabel(self, note: Note, labels: Mapping[str, str]) -> None:
        """The config bears these labels, if it is as it was looked at.

        Raises:
            FasterError: It is not.
        """

    def drop(self, note: Note) -> None:
        """The config is gone."""

    def secrets(self, label: str) -> set[str]:
        """The names of the secrets that bear a label."""

    def hide(self, name: str, labels: Mapping[str, str], content: bytes) -> None:
        """A new secret."""

    def show(self, names: Sequence[str]) -> dict[str, bytes]:
        """What secrets hold, by their names."""

    def forget(self, names: Iterable[str]) -> None:
        """Secrets are gone, but for those that something still has."""


class SwarmShelf(SwarmLook):
    """The shelf of the swarm that this node manages."""

    def __init__(self, room: Path, inherit: Sequence[int] = ()) -> None:
        super().__init__(inherit)
        self._room = room

    @understood
    def notes(self, label: str) -> list[Note]:
        return [
            Note(n["ID"], spec["Name"], n["Version"]["Index"], spec.get("Labels") or {}, _text(spec.get("Data")))
            for n in self._bearing("/configs", label)
            for spec in (n["Spec"],)
        ]

    def write(self, name: str, labels: Mapping[str, str], text: str) -> None:
        self._told("POST", "/configs/create", _object(name, labels, text.encode()))

    def relabel(self, note: Note, labels: Mapping[str, str]) -> None:
        told = _object(note.name, labels, note.text.encode())
        self._told("POST", f"/configs/{note.id}/update", told, version=str(note.version))

    def drop(self, note: Note) -> None:
        with contextlib.suppress(FasterError):
            self._told("DELETE", f"/configs/{note.id}")

    @understood
    def secrets(self, label: str) -> set[str]:
        return {found["Spec"]["Name"] for found in self._bearing("/secrets", label)}

    def hide(self, name: str, labels: Mapping[str, str], content: bytes) -> None:
        self._told("POST", "/secrets/create", _object(name, labels, content))

    def forget(self, names: Iterable[str]) -> None:
        for name in names:
            # One that a task on its way out still has goes another time.
            with contextlib.suppress(EngineError):
                self._change("DELETE", f"/secrets/{name}")

    @understood
    def show(self, names: Sequence[str]) -> dict[str, bytes]:
        if not names:
            return {}
        service = f"sluice-show-{token_hex(6)}"
        with tempfile.TemporaryDirectory(prefix=".show-", dir=self._room) as room:
            argv = ["service", "create", "--quiet", "--detach", "--name", service, "--mode", "replicated-job"]
            argv += ["--restart-condition", "none", "--constraint", f"node.id=={self.node_id}", "--no-resolve-image"]
            argv += ["--user", "0:0", "--cap-drop", "ALL", "--read-only", "--mount", f"type=bind,src={room},dst=/room"]
            argv += [word for name in names for word in ("--secret", f"source={name},target={name}")]
            self._docker(*argv, "--entrypoint", "/bin/sh", self._with_a_shell(), "-c", "cp /run/secrets/* /room/")
            try:
                said = self._ended(service)
            finally:
                self._docker("service", "rm", service)
            if said:
                raise EngineError(f"what the swarm keeps of the stack could not be read: {said}")
            return {name: (Path(room) / name).read_bytes() for name in names}

    def _ended(self, service: str) -> str:
        """Wait for a job's only task; what went wrong, empty where it ended well."""
        tasks: list[dict[str, Any]] = []

        def over() -> bool:
            tasks[:] = self._ask("/tasks", filters=json.dumps({"service": [service]}))
            return any(task["Status"]["State"] in _ENDS for task in tasks)

        if not self._until(over, _READ_SECONDS):
            return "; ".join(str(task["Status"].get("Err") or task["Status"]["State"]) for task in tasks) or "no task"
        status = next(task["Status"] for task in tasks if task["Status"]["State"] in _ENDS)
        return "" if status["State"] == "complete" else str(status.get("Err") or status["State"])

    def _with_a_shell(self) -> str:
        """An image of this node that can copy a file; those that run are looked at first."""
        held = [c["ImageID"] for c in self._ask("/containers/json")]
        held += [image["Id"] for image in sorted(self._ask("/images/json"), key=lambda image: image["Size"])]
        for image in list(dict.fromkeys(held))[:_TRIED]:
            argv = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", image]
            if not self._run([*argv, "-c", "command -v cp"], 60).returncode:
                return str(image)
        raise EngineError(
            "no image of this node has a shell, and without one it cannot read what the swarm keeps of the stack:"
            " docker pull one that has, for instance busybox"
        )

    def _bearing(self, path: str, label: str) -> list[dict[str, Any]]:
        return list(self._ask(path, filters=json.dumps({"label": [label]})))

    def _told(self, method: str, path: str, body: Any = None, **query: str) -> None:
        try:
            self._change(method, path, body, **query)
        except EngineError as error:
            if any(words in str(error) for words in _FASTER):
                raise FasterError(str(error))
            raise


def _object(name: str, labels: Mapping[str, str], content: bytes) -> dict[str, Any]:
    return {"Name": name, "Labels": dict(labels), "Data": base64.b64encode(content).decode()}


def _text(data: str | None) -> str:
    return base64.b64decode(data or "").decode("utf-8", "replace")
