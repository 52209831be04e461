# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One question to the name server that this machine uses (RFC 1035), for records that the system cannot look up."""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path

from ..errors import NameServerError

_RESOLV_CONF = Path("/etc/resolv.conf")
_PORT = 53
_MOST_SERVERS = 3
# What passes every path undivided.
_MOST_BYTES = 1232
_MOST_RECORDS = 200
_MOST_POINTERS = 64
_NO_ERROR, _NO_SUCH_NAME = 0, 3
_TRUNCATED = 0x0200
_OPT, _IN = 41, 1


def servers(path: Path = _RESOLV_CONF) -> list[str]:
    """The addresses of the name servers in use, the system's own for none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found = [line.split()[1] for line in lines if line.startswith("nameserver") and len(line.split()) > 1]
    return found[:_MOST_SERVERS] or ["127.0.0.1"]


def ask(name: str, kind: int, timeout: float, port: int = _PORT) -> list[bytes]:
    """The data of a name's records of one kind, none where there are none; within the time-out for all servers.

    Raises:
        NameServerError: It could not be found out.
    """
    deadline = time.monotonic() + timeout
    why = "no name server"
    asked = servers()
    for turn, server in enumerate(asked):
        share = (deadline - time.monotonic()) / (len(asked) - turn)
        try:
            return _ask(server, port, name, kind, share)
        except (OSError, NameServerError) as error:
            why = f"{server}: {'no answer in time' if isinstance(error, TimeoutError) else error}"
    raise NameServerError(why)


def _ask(server: str, port: int, name: str, kind: int, seconds: float) -> list[bytes]:
    number = int.from_bytes(os.urandom(2), "big")
    family, type_, protocol, _, address = socket.getaddrinfo(server, port, type=socket.SOCK_DGRAM)[0]
    deadline = time.monotonic() + seconds
    with socket.socket(family, type_, protocol) as connection:
        connection.connect(address)
        connection.send(question(number, name, kind))
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            message = connection.recv(65535)
            if message[:2] == number.to_bytes(2, "big"):
                return answers(message, name, kind)
    raise TimeoutError


def question(number: int, name: str, kind: int) -> bytes:
    """A recursive question for a name in ASCII."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    asked = b"".join(bytes([len(label)]) + label for label in labels) + b"\0" + struct.pack(">HH", kind, _IN)
    allowed = b"\0" + struct.pack(">HHIH", _OPT, _MOST_BYTES, 0, 0)
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 1) + asked + allowed


def answers(message: bytes, name: str, kind: int) -> list[bytes]:
    """The data of the records of a kind in an answer to the question for a name.

    Raises:
        NameServerError: It is malformed, cut short, an error, or an answer to something else.
    """
    try:
        return _answers(message, name, kind)
    except (struct.error, IndexError):
        raise NameServerError("its answer is malformed")


def _answers(message: bytes, name: str, kind: int) -> list[bytes]:
    _, flags, questions, count, _, _ = struct.unpack_from(">HHHHHH", message)
    status = flags & 15
    asked, position = _name(message, 12)
    if not flags & 0x8000 or questions != 1 or asked != name.rstrip(".").lower():
        raise NameServerError("it answered another question")
    if status == _NO_SUCH_NAME:
        return []
    if status != _NO_ERROR or flags & _TRUNCATED or count > _MOST_RECORDS:
        raise NameServerError(f"it answers with error {status}" if status else "its answer is too long")
    position += 4
    found = []
    for _ in range(count):
        _, position = _name(message, position)
        type_, _, _, length = struct.unpack_from(">HHIH", message, position)
        position += 10
        if position + length > len(message):
            raise NameServerError("its answer is cut short")
        # A CNAME before them leads to the name whose they are.
        if type_ == kind:
            found.append(message[position : position + length])
        position += length
    return found


def _name(message: bytes, position: int) -> tuple[str, int]:
    """A name in lower case, and where it ends; pointers lead back, and a circle of them ends."""
    labels: list[str] = []
    end = 0
    for _ in range(_MOST_POINTERS + 128):
        length = message[position]
        if length >= 0xC0:
            end = end or position + 2
            position = (length & 0x3F) << 8 | message[position + 1]
        elif length:
            labels.append(message[position + 1 : position + 1 + length].decode("latin-1").lower())
            position += 1 + length
        else:
            return ".".join(labels), end or position + 1
    raise NameServerError("its answer is malformed")
