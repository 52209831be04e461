# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A connection on which no answer takes for ever, nor all of the memory."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

# A single wait is bounded by the time-out; a whole answer, which may drip, by three of them.
_PATIENCE = 3
# A body of 2 MiB in chunks of one byte, and the headers before it.
_MOST_BYTES = 16 << 20


class EndlessAnswer(http.client.HTTPException):
    """The answer has more bytes than any that is meant to be read."""


class Bounded:
    """What http.client needs of a socket; whoever opened the connection closes it."""

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout

    def sendall(self, data: Any) -> None:
        self._connection.settimeout(self._timeout)
        self._connection.sendall(data)

    def makefile(self, mode: str = "rb") -> io.BufferedReader:
        return io.BufferedReader(_Bytes(self._connection, self._timeout))

    def close(self) -> None:
        """Nothing: a kept connection serves further requests."""


class _Bytes(io.RawIOBase):
    """The bytes of one answer, read until the deadline.

    Raises:
        TimeoutError: The answer is not complete in time.
        EndlessAnswer: It is too long.
    """

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._deadline = time.monotonic() + _PATIENCE * timeout
        self._left = _MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the answer did not end in time")
        self._connection.settimeout(min(self._timeout, remaining))
        count = self._connection.recv_into(buffer)
        self._left -= count
        if self._left < 0:
            raise EndlessAnswer
        return count
