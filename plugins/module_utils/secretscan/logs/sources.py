# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where there is something to scan: containers, journal, images, files, texts."""

from __future__ import annotations

import contextlib
import glob
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ...docker.api import DockerApi
from ...errors import DockerError, UserError
from ..scan import Log, Scanner
from . import records
from .framed import Framed
from .logfiles import FileChain, rotated_suffix
from .readers import BytesReader
from .state import State

# Stands for the file of a log that is read through an API.
_API = "api"
_SYNC_SECONDS = 30.0
_Logs = Callable[[str, str], Iterator[tuple[str, bytes]]]


class Sources:
    """Feeds the scanner from every kind of source; what cannot be read is noted, never passed over."""

    def __init__(self, scanner: Scanner, state: State, api: DockerApi, since: str = "") -> None:
        self._scanner = scanner
        self._state = state
        self._api = api
        self._since = since
        self._chain = FileChain(scanner, state)
        self._root = ""
        self._journal_is_whole = False
        self.scanned: list[str] = []
        self.notes = self._chain.notes

    def containers(self, project: str, names: Sequence[str], labels: Sequence[str]) -> None:
        """The containers of a Compose project, those named, and those with all the labels."""
        found: dict[str, str] = {}
        if project:
            found |= self._listed({"label": [f"com.docker.compose.project={project}"]})
            if not found:
                self.notes.append(f"project {project}: has no containers")
        if labels:
            found |= self._listed({"label": labels})
            if not found:
                self.notes.append(f"labels {', '.join(labels)}: no container has them")
        for name in names:
            try:
                found[self._api.get("/containers/{}/json", name)["Id"]] = name
            except DockerError:
                if not self._task(name):
                    raise UserError(f"containers: there is no container {name!r} on this host")
        for identifier in found:
            self._container(identifier)

    def _listed(self, filters: dict[str, Sequence[str]]) -> dict[str, str]:
        return {item["Id"]: item["Names"][0] for item in self._api.containers(filters)}

    def _container(self, identifier: str) -> None:
        try:
            data = self._api.get("/containers/{}/json", identifier)
        except DockerError as error:
            # It may have been removed since it was listed.
            self.notes.append(f"container {identifier[:12]}: {error}")
            return
        name = data["Name"].lstrip("/")
        source = f"container {name}"
        driver = data["HostConfig"]["LogConfig"]["Type"]
        self.scanned.append(source)
        if driver == "none":
            self.notes.append(f"{source}: its log driver is none, so there is nothing to scan")
            return
        key = f"container:{data['Id']}"
        stored = self._state.source(key)
        path = self._log_path(driver, data)
        if path is not None:
            kind = "json-file" if driver == "json-file" else "local"
            position = self._chain.scan(source, path, kind, stored)  # type: ignore[arg-type]
            if not position["files"]:
                self.notes.append(f"{source}: has no log")
        else:
            if driver == "journald":
                self._await_journal()
            position = self._by_api(source, data["Id"], stored, self._api.logs)
        self._state.remember(key, {"source": source, **position})

    def _task(self, identifier: str) -> bool:
        """A task of a swarm, by its id, through the engine, which has it from the task's node; whether there is one."""
        try:
            data = self._api.get("/tasks/{}", identifier)
            service = self._api.get("/services/{}", data["ServiceID"])["Spec"]["Name"]
        except DockerError:
            return False
        source = f"task {service}.{data.get('Slot', 0)}"
        self.scanned.append(source)
        key = f"task:{data['ID']}"
        read = self._by_api(source, data["ID"], self._state.source(key), self._api.task_logs)
        self._state.remember(key, {"source": source, **read})
        return True

    def _log_path(self, driver: str, data: dict[str, Any]) -> Path | None:
        """Where the driver keeps its file, if it does and we may read it."""
        if driver == "json-file" and data.get("LogPath"):
            path = Path(data["LogPath"])
        elif driver == "local":
            self._root = self._root or str(self._api.get("/info")["DockerRootDir"])
            path = Path(self._root, "containers", data["Id"], "local-logs", "container.log")
        else:
            return None
        try:
            path.parent.stat()
            next(path.parent.iterdir(), None)
        except OSError:
            # Not root, or an engine elsewhere: its API still answers.
            return None
        return path

    def _by_api(self, source: str, identifier: str, stored: dict[str, Any], ask: _Logs) -> dict[str, Any]:
        last = str(stored.get("last", ""))
        framed = Framed(self._api_records(identifier, last, ask), last)
        try:
            self._scanner.scan(Log(source, "framed", framed, origin=_API))
        except DockerError as error:
            self.notes.append(f"{source}: the engine cannot read its log: {error}")
        return {"last": framed.last, "files": [_API]}

    def _api_records(self, identifier: str, last: str, ask: _Logs) -> Iterator[tuple[str, str, bytes]]:
        since = _epoch(last) if last else (_epoch(self._since) if self._since else "")
        for stream, line in ask(identifier, since):
            time, _space, text = line.partition(b" ")
            yield stream, time.decode("ascii", "replace"), text

    def journal(self, units: Sequence[str]) -> None:
        """The journal's records of systemd units."""
        if units:
            self._await_journal()
        for unit in units:
            source = f"journal {unit}"
            self.scanned.append(source)
            stored = self._state.source(source)
            framed = Framed(self._journal_records(source, unit, str(stored.get("last", ""))), "")
            self._scanner.scan(Log(source, "framed", framed, origin=_API))
            last = framed.last or stored.get("last", "")
            self._state.remember(source, {"source": source, "last": last, "files": [_API]})

    def _await_journal(self) -> None:
        """What was logged until now is in the journal; who writes does not wait for it."""
        if self._journal_is_whole:
            return
        # As slow to import as a few megabytes to scan.
        from ... import commands

        # Without root, or where the journal is another host's, what is there is read.
        with contextlib.suppress(UserError):
            commands.run(["journalctl", "--sync"], _SYNC_SECONDS)
        self._journal_is_whole = True

    def _journal_records(self, source: str, unit: str, cursor: str) -> Iterator[tuple[str, str, bytes]]:
        command = ["journalctl", "--quiet", "--no-pager", "--output=json", f"--unit={unit}"]
        command += [f"--after-cursor={cursor}"] if cursor else []
        # As slow to import as a few megabytes to scan.
        import subprocess

        try:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except FileNotFoundError:
            raise UserError("journal_units: this host has no journalctl")
        with process:
            for line in process.stdout or ():
                entry = json.loads(line)
                raw = _message(entry.get("MESSAGE"))
                micros = int(entry.get("__REALTIME_TIMESTAMP", 0))
                time = records.rfc3339(micros * 1000)
                yield "journal", f"{time}\0{entry.get('__CURSOR', '')}", raw
            error = process.stderr.read().decode("utf-8", "replace").strip() if process.stderr else ""
        if process.returncode:
            self.notes.append(f"{source}: journalctl failed: {error.splitlines()[0] if error else 'no reason given'}")

    def images(self, images: Sequence[str]) -> None:
        """What an image's history and configuration say."""
        for image in images:
            try:
                history = self._api.get("/images/{}/history", image)
                config = self._api.get("/images/{}/json", image).get("Config") or {}
            except DockerError:
                raise UserError(f"images: there is no image {image!r} on this host")
            lines = [f"{layer.get('CreatedBy', '')} {layer.get('Comment', '')}" for layer in history]
            lines += list(config.get("Env") or ())
            lines += [" ".join(config.get(key) or ()) for key in ("Cmd", "Entrypoint")]
            lines += [f"{name}={value}" for name, value in (config.get("Labels") or {}).items()]
            self._text(f"image {image}", "\n".join(line.replace("\n", " ") for line in lines).encode())

    def files(self, patterns: Sequence[str]) -> None:
        """Files and globs, with what was rotated away from them."""
        for pattern in patterns:
            paths = sorted(glob.glob(pattern, recursive=True)) or [pattern]
            if paths == [pattern] and not Path(pattern).exists():
                if not glob.has_magic(pattern):
                    raise UserError(f"paths: there is no file {pattern}")
                self.notes.append(f"paths {pattern}: no file matches")
                continue
            for path in map(Path, paths):
                if glob.has_magic(pattern) and _is_rotated_of(path, paths):
                    continue
                if path.is_dir():
                    if not glob.has_magic(pattern):
                        self.notes.append(f"paths {pattern}: is a directory and not read; give {path}/** for its files")
                    continue
                source = f"file {path}"
                self.scanned.append(source)
                position = self._chain.scan(source, path, "text", self._state.source(source))
                self._state.remember(source, {"source": source, **position})

    def texts(self, texts: Mapping[str, str]) -> None:
        """Texts handed over."""
        for name, text in texts.items():
            self._text(f"text {name}", text.encode("utf-8", "replace"))

    def _text(self, source: str, data: bytes) -> None:
        self.scanned.append(source)
        self._scanner.scan(Log(source, "text", BytesReader(data), 0, len(data)))


def _message(message: Any) -> bytes:
    """A journal record's text: a string, the bytes of one that is not text, or several of either."""
    if isinstance(message, list):
        if all(isinstance(item, int) for item in message):
            return bytes(message)
        return b" ".join(_message(item) for item in message)
    return str(message or "").encode()


def _is_rotated_of(path: Path, paths: list[str]) -> bool:
    """Whether a file is read anyway, as the predecessor of another."""
    return any(rotated_suffix(Path(other), path) for other in paths if Path(other).parent == path.parent)


def _epoch(moment: str) -> str:
    """A time as the engine's API takes it: seconds, a point, nanoseconds."""
    whole, _point, fraction = moment.rstrip("Z").partition(".")
    return f"{int(datetime.fromisoformat(whole + '+00:00').timestamp())}.{fraction}"
