# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One page of a container, asked for as nginx would, by a host that waits for nobody."""

from __future__ import annotations

import io
import socket
import time
from http.client import HTTPException, HTTPResponse

from ..netns import socket_in

_MOST_BYTES = 4 * 1024 * 1024


def html_page(address: str, port: int, host: str, seconds: float, namespace: str = "") -> str:
    """The page at /; empty unless a page of HTML comes with status 200 in time. No redirect is followed.

    Args:
        address: The container's.
        port: Its port.
        host: The site's name.
        seconds: How long all of it may take.
        namespace: The network that leads there, as `socket_in` takes it; empty for the host's own.
    """
    deadline = time.monotonic() + seconds
    try:
        with socket_in(namespace) if namespace else socket.socket() as connection:
            connection.settimeout(seconds)
            connection.connect((address, port))
            connection.sendall(
                f"GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Proto: https\r\n"
                "Accept: text/html\r\nConnection: close\r\n\r\n".encode()
            )
            received = _receive(connection, deadline)
        answer = HTTPResponse(_Received(received))  # type: ignore[arg-type]
        answer.begin()
        body = answer.read()
    except (OSError, HTTPException, ValueError, OverflowError):
        return ""
    plain = answer.getheader("Content-Encoding", "identity") == "identity"
    if answer.status != 200 or answer.headers.get_content_type() != "text/html" or not plain:
        return ""
    return body.decode(errors="replace")


def _receive(connection: socket.socket, deadline: float) -> bytes:
    """All that comes until the other side is done.

    Raises:
        OSError: It took too long, or is too much.
    """
    received = bytearray()
    while len(received) <= _MOST_BYTES:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        chunk = connection.recv(65536)
        if not chunk:
            return bytes(received)
        received += chunk
    raise OSError("too much")


class _Received:
    """What http.client reads an answer from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._content)
