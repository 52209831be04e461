"""A steady load over TLS: kept connections, and a new one for every fifth request.

As any HTTP client does, it looks whether a kept connection was closed meanwhile before it sends a request there. One
that is closed in the very moment, before a byte of the answer, has its request sent again on a new one, once, as RFC
9112, 9.3.1 has it and browsers do; these are counted. Nothing else is tried twice.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType


class Load:
    """Runs in the background from entry to exit; then tells what was answered and what was not."""

    def __init__(self, address: str, name: str, roots: str | None, rate: float, path: str, port: int = 443) -> None:
        self._target, self._name, self._path = (address, port), name, path
        self._context = ssl.create_default_context(cadata=roots)
        if roots is None:
            self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        self._gap, self._stop = 1 / rate, threading.Event()
        self._idle: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run)
        self.failures: list[str] = []
        self.repeated = 0
        self.seconds: list[float] = []
        self.bodies: list[bytes] = []

    @property
    def answered(self) -> int:
        return len(self.seconds)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number, due = 0, time.monotonic()
        with ThreadPoolExecutor(16) as pool:
            while not self._stop.is_set():
                pool.submit(self._request, fresh=number % 5 == 0)
                number, due = number + 1, due + self._gap
                time.sleep(max(0.0, due - time.monotonic()))
        for connection in self._idle:
            connection.close()

    def _connect(self) -> socket.socket:
        raw = socket.create_connection(self._target, timeout=10)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._context.wrap_socket(raw, server_hostname=self._name)

    def _kept(self) -> socket.socket | None:
        with contextlib.suppress(IndexError):
            while connection := self._idle.pop():
                if not select.select([connection], [], [], 0)[0]:
                    return connection
                connection.close()
        return None

    def _request(self, fresh: bool) -> None:
        begun = time.monotonic()
        try:
            kept = None if fresh else self._kept()
            connection = kept or self._connect()
            try:
                head, body = self._ask(connection)
            except _UnansweredError:
                if not kept:
                    raise
                self.repeated += 1
                connection = self._connect()
                head, body = self._ask(connection)
            if not head.startswith(b"HTTP/1.1 200"):
                raise OSError(head.split(b"\r\n")[0].decode())
            self.seconds.append(time.monotonic() - begun)
            self.bodies.append(body)
            if fresh or b"connection: close" in head.lower():
                connection.close()
            else:
                self._idle.append(connection)
        except Exception as error:  # Whatever it is, a visitor would have seen it.
            self.failures.append(f"{type(error).__name__}: {error}")

    def _ask(self, connection: socket.socket) -> tuple[bytes, bytes]:
        try:
            connection.sendall(f"GET {self._path} HTTP/1.1\r\nHost: {self._name}\r\n\r\n".encode())
        except ConnectionError as error:
            raise _UnansweredError(str(error)) from error
        return _answer(connection)


class _UnansweredError(ConnectionError):
    """Closed before a byte of an answer."""


def _answer(connection: socket.socket) -> tuple[bytes, bytes]:
    try:
        data = _receive(connection)
    except ConnectionError as error:
        raise _UnansweredError(str(error)) from error
    while b"\r\n\r\n" not in data:
        data += _receive(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.I)
    while length and len(body) < int(length[1]):
        body += _receive(connection)
    colour = re.search(rb"<title>(\w+)", body)
    return head, colour[1] if colour else body


def _receive(connection: socket.socket) -> bytes:
    part = connection.recv(65536)
    if not part:
        raise ConnectionError("closed before the answer was complete")
    return part
