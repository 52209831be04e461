# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Docker engine is asked and told over its local socket, with the standard library."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from ..errors import DockerError, UserError

if TYPE_CHECKING:
    import http.client

SOCKET = "unix:///var/run/docker.sock"
_PIECE = 1 << 20


class DockerApi:
    """An engine, asked and, of a swarm's objects, told."""

    def __init__(self, host: str, timeout: float = 60) -> None:
        self._host = host
        self._timeout = timeout
        if not host.startswith("unix://"):
            raise UserError(
                f"docker_host: {host!r} is not a local socket; logs are read where they lie, so run the scan on that"
                " server with unix:///var/run/docker.sock"
            )

    def get(self, path: str, *names: str, **query: str) -> Any:
        """The engine's answer to a question, from JSON; names take the places of {} in the path.

        Raises:
            DockerError: The engine refuses, for instance because there is no such container.
            UserError: The engine does not answer.
        """
        with self._request(path, names, query) as response:
            return json.loads(response.read())

    def change(self, method: str, path: str, *names: str, body: Any = None, **query: str) -> Any:
        """Have the engine make, change or remove something, as `get` asks; its answer, None where it says nothing.

        Args:
            method: POST or DELETE.
            body: What is sent as JSON.
        """
        with self._request(path, names, query, method, body) as response:
            told = response.read()
        return json.loads(told) if told else None

    def stream(self, path: str, *names: str) -> Iterator[bytes]:
        """An answer in pieces.

        Raises:
            DockerError: The engine refuses.
            UserError: The engine does not answer.
        """
        with self._request(path, names, {}) as response:
            while piece := response.read(_PIECE):
                yield piece

    def containers(self, filters: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
        """The containers, running or not, that pass the filters."""
        return list(self.get("/containers/json", all="1", filters=json.dumps(filters)))

    def logs(self, container: str, since: str) -> Iterator[tuple[str, bytes]]:
        """A container's log as (stream, bytes), each a record or a piece of one, with its time in front."""
        inspected = self.get("/containers/{}/json", container)
        yield from self._logs("/containers/{}/logs", container, since, bool(inspected["Config"].get("Tty")))

    def task_logs(self, task: str, since: str) -> Iterator[tuple[str, bytes]]:
        """As `logs`, of a task of a swarm that this engine manages, on whichever node it runs."""
        spec = self.get("/tasks/{}", task)["Spec"]["ContainerSpec"]
        yield from self._logs("/tasks/{}/logs", task, since, bool(spec.get("TTY")))

    def _logs(self, path: str, name: str, since: str, tty: bool) -> Iterator[tuple[str, bytes]]:
        query = {"stdout": "1", "stderr": "1", "timestamps": "1"} | ({"since": since} if since else {})
        with self._request(path, (name,), query) as response:
            if tty:
                while line := response.readline(1 << 16):
                    yield "stdout", line
                return
            while len(header := response.read(8)) == 8:
                stream = "stderr" if header[0] == 2 else "stdout"
                yield stream, response.read(int.from_bytes(header[4:], "big"))

    def _request(
        self, path: str, names: tuple[str, ...], query: dict[str, str], method: str = "GET", body: Any = None
    ) -> http.client.HTTPResponse:
        # They take as long to import as ten megabytes to scan: only who asks an engine pays for it.
        import http.client
        import socket

        path = path.format(*(quote(name, safe="") for name in names)) if names else path
        connection = http.client.HTTPConnection("docker", timeout=self._timeout)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(self._timeout)
        try:
            connection.sock.connect(self._host.removeprefix("unix://"))
            connection.request(
                method,
                f"{path}?{urlencode(query)}" if query else path,
                None if body is None else json.dumps(body),
                {"Content-Type": "application/json"},
            )
            response = connection.getresponse()
        except PermissionError:
            raise UserError(f"docker_host: no permission to use {self._host}; run the scan with become: true")
        except (OSError, http.client.HTTPException) as error:
            raise UserError(f"docker_host: no engine answers at {self._host} ({error}); is Docker running?")
        if response.status >= 400:
            body = response.read(4096).decode("utf-8", "replace")
            with contextlib.suppress(ValueError, KeyError, TypeError):
                body = json.loads(body)["message"]
            raise DockerError(body.strip())
        return response
