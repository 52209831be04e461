# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one way to a Dokploy server: headers, time-outs, retries, errors and redaction live here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..errors import DokployError, MissingProcedureError, UserError
from ..secretvalues.redaction import Redactor
from .responses import read_answer

try:
    import requests
except ImportError:
    HAS_REQUESTS = False
else:
    HAS_REQUESTS = True

# Dokploy refuses larger bodies; said before sending, the message can name the cause.
MAX_BODY = 1_000_000
# Together 22 s of pauses: a restart of Dokploy takes 18.
READ_ATTEMPTS = 7
LONGEST_PAUSE = 5
# A whole log of ten thousand lines fits.
MAX_ANSWER = 32_000_000


@dataclass(frozen=True)
class Server:
    """Where a Dokploy server is and how to reach it.

    Attributes:
        url: Its address, without `/api`.
        api_key: Sent as `x-api-key`; empty before the first key exists.
        timeout: Seconds for one request.
        verify: TLS verification: True, False, or the path of a CA bundle.
    """

    url: str
    api_key: str = ""
    timeout: float = 30
    verify: bool | str = True

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"url must look like https://dokploy.example.com, not {self.url!r}")
        if parts.username or parts.password:
            raise UserError("url must not hold credentials; the API key goes into api_key")
        if self.api_key != self.api_key.strip() or not self.api_key.isascii():
            raise UserError("api_key holds spaces, a line break or non-ASCII characters; copy it again")

    @property
    def base(self) -> str:
        """The address of the API, however the user wrote it."""
        return self.url.rstrip("/").removesuffix("/api") + "/api"


class Client:
    """Calls procedures: queries with M(get), mutations with M(post).

    Attributes:
        reads: Queries sent so far, retries included.
        writes: Mutations sent so far.
        redact: Takes every secret that the client knows out of a text.
    """

    def __init__(self, server: Server, *, sleep: Callable[[float], None] = time.sleep) -> None:
        if not HAS_REQUESTS:
            raise UserError("the Python package requests is missing where this module runs; install python3-requests")
        self.server = server
        self.reads = 0
        self.writes = 0
        self.redact = Redactor([server.api_key])
        self._sleep = sleep
        self._session = requests.Session()
        # Not packed: a few bytes could unpack to more than there is memory.
        self._session.headers.update(
            {"accept": "application/json", "accept-encoding": "identity", "user-agent": "sluice.deploy"}
        )
        if server.api_key:
            self._session.headers["x-api-key"] = server.api_key
        # Keeps credentials of a .netrc away: Dokploy takes an Authorization header for a failed log-in.
        self._session.auth = lambda request: request

    def get(self, procedure: str, **query: Any) -> Any:
        """Ask. Asked again, with growing pauses, when the server is briefly away."""
        for attempt in range(1, READ_ATTEMPTS + 1):
            self.reads += 1
            try:
                return self._send("GET", procedure, params=query)
            except MissingProcedureError as error:
                raise self._with_version(procedure, error)
            except DokployError as error:
                if not error.temporary or attempt == READ_ATTEMPTS:
                    raise
                self._sleep(min(2 ** (attempt - 1), LONGEST_PAUSE))
        raise AssertionError("unreachable")

    def post(self, procedure: str, timeout: float | None = None, **body: Any) -> Any:
        """Change something. Never repeated: nothing on a Dokploy server is unique, a repeat may double it."""
        data = json.dumps(body, ensure_ascii=False).encode()
        if len(data) > MAX_BODY:
            raise UserError(
                f"{procedure}: the request is {len(data):,} bytes and Dokploy takes {MAX_BODY:,}; "
                "shorten the Compose file or the environment"
            )
        self.writes += 1
        try:
            return self._send("POST", procedure, data=data, timeout=timeout)
        except MissingProcedureError as error:
            raise self._with_version(procedure, error)

    def forget_session(self) -> None:
        """Send no cookie that the server has set so far."""
        self._session.cookies.clear()

    def version(self) -> str:
        """The server's version such as `v0.30.2`; empty where it does not say."""
        self.reads += 1
        try:
            return str(self._send("GET", "settings.getDokployVersion") or "")
        except DokployError:
            return ""

    def _send(
        self,
        method: str,
        procedure: str,
        *,
        params: dict[str, Any] | None = None,
        data: bytes | None = None,
        timeout: float | None = None,
    ) -> Any:
        try:
            answer = self._session.request(
                method,
                f"{self.server.base}/{procedure}",
                params=params,
                data=data,
                headers={"content-type": "application/json"} if data is not None else None,
                timeout=timeout or self.server.timeout,
                verify=self.server.verify,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                content = _content(procedure, answer)
        except (requests.RequestException, OSError) as error:
            raise self._unreachable(procedure, error, timeout or self.server.timeout) from None
        try:
            return read_answer(
                procedure,
                answer.status_code,
                answer.headers.get("content-type", ""),
                content,
                answer.headers.get("location", ""),
            )
        except DokployError as error:
            error.args = (self.redact(str(error)),)
            raise

    def _unreachable(self, procedure: str, error: Exception, timeout: float) -> DokployError:
        url = self.server.url
        if isinstance(error, requests.exceptions.SSLError):
            hint = (
                f"the server at {url} speaks plain HTTP; use http:// or give it a certificate"
                if "WRONG_VERSION_NUMBER" in str(error) or "record layer failure" in str(error)
                else f"the certificate of {url} is not trusted ({_cause(error)}); set ca_path to its CA, or "
                "validate_certs: false for a test server"
            )
            return DokployError(self.redact(hint))
        if isinstance(error, requests.Timeout):
            return DokployError(
                f"{url} did not answer {procedure} within {timeout:g} s; raise timeout, or look at the server's load",
                temporary=True,
            )
        if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
            return DokployError(f"ca_path cannot be used: {error}")
        return DokployError(
            self.redact(
                f"cannot reach Dokploy at {url} ({_cause(error)}); check url, that the server runs, and any firewall"
            ),
            temporary=True,
        )

    def _with_version(self, procedure: str, error: MissingProcedureError) -> DokployError:
        version = self.version()
        said = f"it is Dokploy {version}" if version else "it does not tell its version"
        return MissingProcedureError(
            f"this Dokploy server has no {procedure}: {said}; update Dokploy to v0.30 or later",
            status=error.status,
        )


def _content(procedure: str, answer: requests.Response) -> bytes:
    """The body, of a size that a server of Dokploy's may send."""
    packed = answer.headers.get("content-encoding", "identity")
    if packed != "identity":
        raise DokployError(f"{procedure} was answered packed ({packed}), unasked; have no proxy between compress")
    parts, size = [], 0
    for part in answer.iter_content(65_536):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER:
            raise DokployError(
                f"the answer to {procedure} is larger than {MAX_ANSWER:,} bytes; is url a Dokploy server?"
            )
    return b"".join(parts)


def _cause(error: BaseException) -> str:
    """The innermost reason of a nest of wrapped exceptions, in a few words."""
    reason: Any = error
    while True:
        inner = getattr(reason, "reason", None) or next((a for a in reason.args if isinstance(a, BaseException)), None)
        if not isinstance(inner, BaseException) or inner is reason:
            break
        reason = inner
    text = getattr(reason, "strerror", None) or str(reason)
    return text.rsplit(": ", 1)[-1].strip("'\"")[:160] or type(reason).__name__
