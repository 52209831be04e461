# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""GET over HTTP within bounds: of time, of bytes, of redirects; a login goes to no host but its own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from ..errors import TrustError, UserError, WireError

_PIECE = 1 << 18
_REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)
# Slower than this in the mean, a transfer is taken for one that does not end.
_SLOWEST = 16 << 10
_END = b""


class Answer:
    """A response whose body is read piece by piece. Its thread may outlive it only while a peer stalls."""

    def __init__(self, response: Any, pieces: queue.Queue[Any], left: float) -> None:
        self.status: int = response.status_code
        self._response = response
        self._pieces = pieces
        self._left = left

    def challenges(self) -> list[str]:
        """The values of WWW-Authenticate, one for each header."""
        headers = self._response.raw.headers
        values = headers.getlist("WWW-Authenticate") if hasattr(headers, "getlist") else []
        return [str(value) for value in values]

    def pieces(self, expected: int = 0) -> Iterator[bytes]:
        """The body; `expected` bytes are given time in proportion.

        Raises:
            WireError: It is cut short, or comes too slowly.
        """
        self._left += expected / _SLOWEST
        while (piece := self._next()) is not _END:
            yield piece

    def body(self, most: int) -> bytes:
        """The whole body; WireError when it is longer than `most` bytes."""
        parts, size = [], 0
        for piece in self.pieces():
            parts.append(piece)
            size += len(piece)
            if size > most:
                raise WireError("answers at no end")
        return b"".join(parts)

    def _next(self) -> bytes:
        item, self._left = _waited(self._pieces, self._left)
        return bytes(item)


def _waited(pieces: queue.Queue[Any], left: float) -> tuple[Any, float]:
    """The next item and the seconds that are left; only waiting counts, not what the reader does in between."""
    began = time.monotonic()
    try:
        item = pieces.get(timeout=max(left, 0))
    except queue.Empty:
        raise WireError("did not answer in time")
    if isinstance(item, WireError):
        raise item
    return item, left - (time.monotonic() - began)


class Wire:
    """One session of HTTP; `timeout` is in seconds, for each answer as a whole."""

    def __init__(self, timeout: float, verify: str | bool) -> None:
        try:
            import requests
        except ImportError:
            raise UserError(
                "the Python package requests is missing where the gate runs: install python3-requests"
                " (Debian, Ubuntu) or pip install requests"
            )
        self._requests = requests
        self._session = requests.Session()
        self._session.verify = verify
        self._timeout = timeout

    def get(self, url: str, headers: dict[str, str]) -> Answer:
        """Ask for `url`, following redirects; Authorization goes to the origin of `url` alone.

        Raises:
            WireError: Nobody answers in time, or the redirects lead astray.
        """
        # A peer that drips byte by byte blocks whoever reads; a thread waits for it, and this one for the clock.
        pieces: queue.Queue[Any] = queue.Queue(maxsize=4)
        threading.Thread(target=self._produce, args=(url, headers, pieces), daemon=True).start()
        response, left = _waited(pieces, self._timeout)
        return Answer(response, pieces, left)

    def _produce(self, url: str, headers: dict[str, str], pieces: queue.Queue[Any]) -> None:
        try:
            with self._open(url, headers) as response:
                pieces.put(response)
                for piece in response.raw.stream(_PIECE, decode_content=False):
                    if piece:
                        pieces.put(piece)
            pieces.put(_END)
        except WireError as error:
            pieces.put(error)
        except self._requests.exceptions.SSLError:
            pieces.put(TrustError("is not trusted"))
        except Exception as error:
            late = "timed out" in str(error)
            pieces.put(WireError("did not answer in time" if late else "cannot be reached"))

    def _open(self, url: str, headers: dict[str, str]) -> Any:
        origin = _origin(url)
        for _hop in range(_REDIRECTS + 1):
            # Compressed answers are not asked for, so that none unpacks to what memory cannot hold.
            sent = {"Accept-Encoding": "identity", **headers}
            if _origin(url) != origin:
                sent.pop("Authorization", None)
            response = self._session.get(
                url, headers=sent, timeout=self._timeout, stream=True, allow_redirects=False, auth=_as_it_is
            )
            if response.status_code not in _MOVED:
                return response
            response.close()
            url = urljoin(url, response.headers.get("Location", ""))
            if _origin(url)[0] not in ("https", origin[0]):
                raise WireError("redirects to where no TLS is spoken")
        raise WireError("redirects without end")


def _as_it_is(request: Any) -> Any:
    """In place of a login that requests would look for in ~/.netrc, and put over a token."""
    return request


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        raise WireError("redirects to what is no address")
