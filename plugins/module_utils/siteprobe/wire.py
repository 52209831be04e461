# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections to a target: name lookup, TCP, TLS and HTTP/1.1, each timed."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.message import Message
from typing import Any
from urllib.parse import quote

from ..errors import UserError
from .bounded import Bounded
from .model import Target

_BODY_LIMIT = 2 << 20
# X509_V_FLAG_NO_CHECK_TIME: a chain can be sound and expired, and these are two findings.
_NO_CHECK_TIME = 0x200000


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, its body cut at 2 MiB."""

    status: int
    headers: Message
    body: bytes
    timings: tuple[tuple[str, float], ...] = ()

    @property
    def content_type(self) -> str:
        return self.headers.get_content_type()

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: It is none.
        """
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deep")


@dataclass
class Clock:
    """Milliseconds of each phase of a request."""

    phases: list[tuple[str, float]] = field(default_factory=list)
    _since: float = field(default_factory=time.perf_counter)

    def lap(self, label: str) -> None:
        now = time.perf_counter()
        self.phases.append((label, 1000 * (now - self._since)))
        self._since = now


def lookup(name: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    """Addresses of a name, or the address itself."""
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def dial(target: Target, port: int, clock: Clock | None = None) -> socket.socket:
    """A TCP connection to the first address that answers."""
    addresses = lookup(target.address, port)
    if clock:
        clock.lap("DNS")
    failure: OSError = OSError(f"{target.address} has no address")
    for family, address in addresses:
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(target.timeout)
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
            continue
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if clock:
            clock.lap("connect")
        return connection
    raise failure


def trusting_context() -> ssl.SSLContext:
    """Accepts any certificate: for looking at a site, never for sending it a secret."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def strict_context(target: Target, times: bool = True, names: bool = True) -> ssl.SSLContext:
    """Accepts what a browser would, or the target's own CA where one is set.

    Raises:
        UserError: The CA's file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=target.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise UserError(f"ca_file: {target.ca_file} cannot be read as PEM certificates ({error})")
    context.check_hostname = names
    if not times:
        context.verify_flags |= _NO_CHECK_TIME
    return context


def fitting_context(target: Target) -> ssl.SSLContext:
    """For looking at a site; strict where the preview's password goes along, so that each connection is judged."""
    return strict_context(target) if target.authorization else trusting_context()


def secure(target: Target, context: ssl.SSLContext, name: str = "", clock: Clock | None = None) -> ssl.SSLSocket:
    """A TLS connection, asking for the domain or another name."""
    plain = dial(target, target.https_port, clock)
    try:
        wrapped = context.wrap_socket(plain, server_hostname=name or target.domain)
    except BaseException:
        plain.close()
        raise
    if clock:
        clock.lap("TLS")
    return wrapped


def fetch(
    target: Target,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    host: str = "",
    name: str = "",
    plain: bool = False,
    context: ssl.SSLContext | None = None,
) -> Answer:
    """One request on a connection of its own.

    Args:
        target: Where to.
        path: Path and query.
        method: The HTTP method.
        headers: Further headers.
        body: The request's body.
        host: Another Host header than the domain.
        name: Another server name in TLS than the domain.
        plain: HTTP without TLS, on the target's HTTP port.
        context: How certificates are judged; by default any is accepted, unless a password goes along.
    """
    clock = Clock()
    if plain:
        connection: socket.socket = dial(target, target.http_port, clock)
    else:
        context = context or (trusting_context() if name else fitting_context(target))
        connection = secure(target, context, name, clock)
    with connection:
        answer = exchange(connection, target, path, method, headers or {}, body, host)
    clock.lap("first byte")
    return replace(answer, timings=tuple(clock.phases))


def exchange(
    connection: socket.socket,
    target: Target,
    path: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    host: str = "",
) -> Answer:
    """One request on a connection that is there; the preview's password goes over a checked certificate alone."""
    client = http.client.HTTPConnection(target.domain, timeout=target.timeout)
    client.sock = Bounded(connection, target.timeout)
    own = {"Host": host or target.authority(target.domain), "User-Agent": "sluice-verify", "Accept": "*/*"}
    if target.authorization and _judged(connection):
        own["Authorization"] = target.authorization
    # As a browser does with the addresses of a page.
    path = quote(path, safe=string.punctuation, errors="replace")
    client.request(method, path, body=body, headers={**own, **(headers or {})})
    try:
        response = client.getresponse()
        return Answer(response.status, response.headers, response.read(_BODY_LIMIT))
    except ValueError:
        # As http.client says of a chunk of negative length.
        raise http.client.HTTPException("a length that is none") from None


def _judged(connection: socket.socket) -> bool:
    """Whether this very connection's certificate was checked, and for the name."""
    return (
        isinstance(connection, ssl.SSLSocket)
        and connection.context.verify_mode == ssl.CERT_REQUIRED
        and connection.context.check_hostname
    )
