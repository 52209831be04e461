# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses of names on a container's network, from the engine's own DNS.

Asked by TCP, where an answer has room for the tasks of any service.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Sequence

from ..errors import UserError
from ..netns import socket_in

SERVER = ("127.0.0.11", 53)
_SECONDS = 2.0
# The engine hangs up after 128.
_AT_ONCE = 100
_HEADER = struct.Struct("!HHHHHH")
_A, _INTERNET, _NO_SUCH_NAME = 1, 1, 3

Open = Callable[[str], socket.socket]


def addresses_in(
    namespace: str, names: Iterable[str], server: tuple[str, int] = SERVER, enter: Open = socket_in
) -> dict[str, tuple[str, ...]]:
    """Each name's addresses, sorted; a name that nobody has is left out.

    Args:
        namespace: The container's network, as `socket_in` takes it.

    Raises:
        UserError: The DNS does not answer: nothing is known then.
    """
    wanted = sorted(set(names))
    found: dict[str, tuple[str, ...]] = {}
    try:
        for start in range(0, len(wanted), _AT_ONCE):
            found.update(_ask(namespace, wanted[start : start + _AT_ONCE], server, enter))
    except OSError as error:
        raise UserError(f"the engine's DNS does not answer in nginx's network: {error}")
    return {name: addresses for name, addresses in found.items() if addresses}


def _ask(
    namespace: str, names: Sequence[str], server: tuple[str, int], enter: Open
) -> Iterable[tuple[str, tuple[str, ...]]]:
    with enter(namespace) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(server)
        with connection.makefile("rb") as stream:
            for number, name in enumerate(names):
                asked = query(number, name)
                connection.sendall(struct.pack("!H", len(asked)) + asked)
                length = struct.unpack("!H", stream.read(2).rjust(2, b"\0"))[0]
                addresses = answer(stream.read(length), number)
                if addresses is None:
                    raise OSError(f"no answer for {name}")
                yield name, addresses


def query(number: int, name: str) -> bytes:
    """A packet that asks for a name's IPv4 addresses.

    Raises:
        OSError: The name is none of the DNS.
    """
    labels = [label.encode("ascii", "replace") for label in name.split(".")]
    if not all(0 < len(label) < 64 for label in labels):
        raise OSError(f"{name!r} is no name of the DNS")
    written = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    # Recursion is wanted: without it, the engine answers all the same, others would not.
    return _HEADER.pack(number, 0x0100, 1, 0, 0, 0) + written + struct.pack("!HH", _A, _INTERNET)


def answer(packet: bytes, number: int) -> tuple[str, ...] | None:
    """The addresses in an answer, none for a name that nobody has; `None` where it is no answer to the question."""
    try:
        told, flags, questions, answers, _authorities, _further = _HEADER.unpack_from(packet)
        code = flags & 0x000F
        if told != number or not flags & 0x8000 or code not in (0, _NO_SUCH_NAME):
            return None
        place = _HEADER.size
        for _ in range(questions):
            place = _past_name(packet, place) + 4
        found = set()
        for _ in range(answers):
            place = _past_name(packet, place)
            kind, family, _life, length = struct.unpack_from("!HHIH", packet, place)
            content = packet[place + 10 : place + 10 + length]
            place += 10 + length
            if len(content) != length:
                return None
            if (kind, family, length) == (_A, _INTERNET, 4):
                found.add(socket.inet_ntoa(content))
    except (struct.error, IndexError):
        return None
    return tuple(sorted(found))


def _past_name(packet: bytes, place: int) -> int:
    """Where a name ends; one that points elsewhere ends with the pointer."""
    while packet[place]:
        if packet[place] >= 0xC0:
            return place + 2
        place += packet[place] + 1
    return place + 1
