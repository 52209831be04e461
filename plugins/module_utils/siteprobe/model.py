# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is probed, and how a check tells what it found."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from ..errors import UserError
from ..results import GateResult, Status, gate_result

T = TypeVar("T")

_UNANSWERED = "no answer in time"


class Once(Generic[T]):
    """An answer that several checks need, asked for when the first of them does; its error is each one's error."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._answer: list[T] = []
        self._error: Exception | None = None

    def __call__(self) -> T:
        with self._lock:
            if self._error:
                raise self._error
            if not self._answer:
                try:
                    self._answer.append(self._ask())
                except Exception as error:
                    self._error = error
                    raise
            return self._answer[0]

    def again(self) -> None:
        """Ask anew the next time, where there was an error."""
        with self._lock:
            self._error = None


@dataclass(frozen=True)
class Target:
    """A site, and the way to it."""

    domain: str
    aliases: tuple[str, ...] = ()
    resolve_to: str = ""
    https_port: int = 443
    http_port: int = 80
    ca_file: str = ""
    timeout: float = 5
    authorization: str = field(default="", repr=False)
    """The value of the Authorization header that a closed preview asks for."""

    @property
    def address(self) -> str:
        """What is connected to: the public name, or the address that stands in for it."""
        return self.resolve_to or self.domain

    @property
    def url(self) -> str:
        return f"https://{self.authority(self.domain)}"

    def authority(self, name: str) -> str:
        return name if self.https_port == 443 else f"{name}:{self.https_port}"


@dataclass(frozen=True)
class Found:
    """What a check found; `gate_result` explains the fields."""

    status: Status
    measured: Any = None
    limit: Any = None
    evidence: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    details: dict[str, Any] | None = None


@dataclass(frozen=True)
class Check:
    """One check: its name, and how to look."""

    id: str
    title: str
    look: Callable[[], Found]

    def result(self) -> GateResult:
        """Look and tell; a site that breaks off, or answers what cannot be read, is a finding and no error."""
        try:
            return self._told(self.look())
        except UserError as error:
            return self._told(Found("fail", measured="not measured", evidence=(str(error),)))
        except Exception as error:
            # Whatever a server's answer brought about, its message may quote what was sent: `reason` never does.
            return self._told(Found("fail", measured=reason(error)))

    def skipped(self, why: str) -> GateResult:
        return self._told(Found("skip", evidence=(why,)))

    def _told(self, found: Found) -> GateResult:
        return gate_result(
            self.id,
            self.title,
            found.status,
            measured=found.measured,
            limit=found.limit,
            evidence=list(found.evidence),
            advice=list(found.advice),
            details=found.details,
        )


def unanswered(result: GateResult) -> bool:
    """Whether a check ended because nothing came in time."""
    return result["status"] == "fail" and result.get("measured") == _UNANSWERED


def reason(error: BaseException) -> str:
    """Why a connection failed, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or str(error)).lower().replace('_', ' ')}"
    if isinstance(error, socket.gaierror):
        return "the name does not resolve"
    if isinstance(error, TimeoutError):
        return _UNANSWERED
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, (ConnectionResetError, http.client.RemoteDisconnected, BrokenPipeError)):
        return "the server closed the connection"
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return f"no proper HTTP answer ({type(error).__name__})"


def host_of(url: str) -> str:
    """The host that an address names, in lower case; empty where it is malformed or has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
