# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.edge.fetch import html_page

PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"


@contextlib.contextmanager
def app(answer, drip=False):
    """A server that gives this answer, perhaps byte by byte for ever; yields its port and what it was asked."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection = server.accept()[0]
            with connection, contextlib.suppress(OSError):
                asked.append(connection.recv(65536))
                connection.sendall(answer)
                while drip:
                    time.sleep(0.02)
                    connection.sendall(b"x")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], asked
        thread.join(2)


@pytest.mark.parametrize(
    ("answer", "page"),
    [
        (PAGE + b"\r\n<p>a", "<p>a"),
        (PAGE + b"Content-Length: 2\r\n\r\nab", "ab"),
        (PAGE + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "ab"),
        (PAGE + b"Content-Length: 9\r\n\r\nab", ""),
        (PAGE + b"Content-Encoding: gzip\r\n\r\nab", ""),
        (PAGE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab", ""),
        (PAGE + b"Content-Length: 9223372036854775808\r\n\r\nab", ""),
        (PAGE + b"Transfer-Encoding: chunked\r\n\r\n8000000000000000\r\nab", ""),
        (PAGE + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nab", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}", ""),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Type: text/html\r\n\r\nx", ""),
        (b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\nx", ""),
        (b"SSH-2.0-OpenSSH\r\n", ""),
        (b"", ""),
    ],
)
def test_only_a_page_of_html_counts(answer, page):
    with app(answer) as (port, asked):
        assert html_page("127.0.0.1", port, "shop.test", 2) == page
    assert b"Host: shop.test\r\n" in asked[0]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nX: ", PAGE + b"\r\n"])
def test_a_drip_ends_at_the_deadline(answer):
    with app(answer, drip=True) as (port, _):
        start = time.monotonic()
        assert html_page("127.0.0.1", port, "shop.test", 0.2) == ""
        assert time.monotonic() - start < 1


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert html_page("127.0.0.1", port, "shop.test", 1) == ""
