"""A bounded load on the demo app, of the kinds of clients that a release hurts first.

    python demo/load.py ADDRESS DOMAIN CA COMMAND ...    HTTPS load while the command runs, then what became of it

Keep-alive clients, clients that connect anew for each request, slow requests that span a switch, an event stream and
a WebSocket. A request fails when its answer is not 200, is cut short, or never comes. A client whose idle connection
the server closed just as it wrote may try again once, as browsers do; that is counted apart.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

EVENTS = ("/api/events", "Accept: text/event-stream\r\n", b" 200 ")
ECHOES = (
    "/api/ws",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: c2x1aWNlLWRlcGxveS0xNg==\r\n",
    b" 101 ",
)


@dataclass
class Stats:
    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    retried: int = 0
    events: int = 0
    streams: int = 0
    """How often the event stream was opened: once more for each release that ended beneath it."""
    echoes: int = 0
    sockets: int = 0
    """The same of the WebSocket."""

    @property
    def requests(self) -> int:
        return len(self.latencies) + len(self.failures)

    @property
    def p99(self) -> float:
        """Milliseconds."""
        ordered = sorted(self.latencies) or [0.0]
        return 1000 * ordered[int(0.99 * (len(ordered) - 1))]

    def __str__(self) -> str:
        return (
            f"{self.requests} requests, {len(self.failures)} failed, {self.retried} retried on a new connection, "
            f"p99 {self.p99:.0f} ms, by version {self.versions}, "
            f"{self.events} events in {self.streams} streams, {self.echoes} echoes in {self.sockets} WebSockets"
        )


class Load:
    """`with Load(host) as stats:` sends requests for as long as the block runs; over TLS with the CA's file."""

    def __init__(
        self,
        host: str,
        port: int = 80,
        keepalive: int = 8,
        per_second: float = 5.0,
        domain: str = "crm.example.com",
        ca_file: str = "",
        kept_path: str = "/api/health",
    ) -> None:
        self.where = {"host": host, "port": port}
        if ca_file:
            self.where |= {"ssl": ssl.create_default_context(cafile=ca_file), "server_hostname": domain}
        self.domain = domain
        self.kept_path = kept_path
        self.keepalive = keepalive
        self.pause = 1 / per_second
        self.stats = Stats()
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Stats:
        self._thread.start()
        time.sleep(1)
        return self.stats

    def __exit__(self, *exception: object) -> None:
        time.sleep(1)
        self._over.set()
        self._thread.join()

    async def _run(self) -> None:
        clients = [self._client(keep=True, path=self.kept_path) for _ in range(self.keepalive)]
        clients += [self._client(keep=False, path="/") for _ in range(4)]
        clients += [self._client(keep=False, path="/api/slow?ms=1500") for _ in range(4)]
        await asyncio.gather(*clients, self._again(*EVENTS, self._events), self._again(*ECHOES, self._echoes))

    async def _client(self, keep: bool, path: str) -> None:
        connection = None
        while not self._over.is_set():
            begin = time.monotonic()
            try:
                connection = await self._request(connection, path)
                if "slow" not in path:
                    self.stats.latencies.append(time.monotonic() - begin)
                else:
                    self.stats.latencies.append(max(0.0, time.monotonic() - begin - 1.5))
            except (OSError, ValueError, asyncio.IncompleteReadError) as error:
                self.stats.failures.append(f"{path} at {time.strftime('%H:%M:%S')}: {error!r}")
                connection = None
            if connection and (not keep or b"close" in connection[2]):
                connection[1].close()
                connection = None
            await asyncio.sleep(max(0.0, self.pause - (time.monotonic() - begin)))

    async def _request(self, connection, path):
        reused = connection is not None
        if reused and connection[0].at_eof():
            connection, reused = None, False
        reader, writer = connection[:2] if connection else await asyncio.open_connection(**self.where)
        try:
            return await self._exchange(reader, writer, path)
        except asyncio.IncompleteReadError as cut:
            if not reused or cut.partial:
                raise
        except ConnectionError:
            if not reused:
                raise
        self.stats.retried += 1
        return await self._exchange(*await asyncio.open_connection(**self.where), path)

    async def _exchange(self, reader, writer, path):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.domain}\r\n\r\n".encode())
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
            headers = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:-2])
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                writer.close()
                raise ValueError(head.split(b"\r\n", 1)[0].decode())
            if b"content-length" in headers:
                await reader.readexactly(int(headers[b"content-length"]))
            else:
                while size := int(await reader.readuntil(b"\r\n"), 16):
                    await reader.readexactly(size + 2)
                await reader.readexactly(2)
        version = headers.get(b"x-app-version", b"front").decode()
        self.stats.versions[version] = self.stats.versions.get(version, 0) + 1
        return reader, writer, headers.get(b"connection", b"")

    async def _again(self, path: str, headers: str, status: bytes, talk) -> None:
        """A long connection, opened anew when the release that it hung on goes away."""
        while not self._over.is_set():
            head, writer = b"", None
            try:
                reader, writer = await asyncio.open_connection(**self.where)
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.domain}\r\n{headers}\r\n".encode())
                async with asyncio.timeout(20):
                    head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n", 1)[0]
                if status in head:
                    await talk(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.1)
            finally:
                if writer:
                    writer.close()
            if status not in head:
                self.stats.failures.append(f"{path} at {time.strftime('%H:%M:%S')}: {head.decode() or 'no answer'}")

    async def _events(self, reader, writer) -> None:
        self.stats.streams += 1
        while not self._over.is_set():
            async with asyncio.timeout(20):
                line = await reader.readline()
            if not line:
                return
            self.stats.events += line.startswith(b"data:")

    async def _echoes(self, reader, writer) -> None:
        self.stats.sockets += 1
        while not self._over.is_set():
            # A text frame with a mask of zeros; the server's frames are short and have none.
            writer.write(b"\x81\x84\0\0\0\0ping")
            async with asyncio.timeout(20):
                kind, length = await reader.readexactly(2)
                text = await reader.readexactly(length)
            if kind == 0x88:
                return
            self.stats.echoes += b"echo" in text
            await asyncio.sleep(0.2)


def main() -> int:
    address, domain, ca_file, *command = sys.argv[1:]
    # Below every rate limit that the demo's routes set.
    with Load(address, 443, domain=domain, ca_file=ca_file, kept_path="/healthz") as stats:
        done = subprocess.run(command, check=False)
    print(f"[load] {stats}", *stats.failures[:5], sep="\n[load] ", flush=True)
    return 3 if stats.failures else done.returncode


if __name__ == "__main__":
    sys.exit(main())
