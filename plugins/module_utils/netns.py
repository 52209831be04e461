# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sockets within the network of a container: an overlay network is reached from nowhere else on its host."""

from __future__ import annotations

import ctypes
import os
import socket
import threading

_NETWORK = 0x40000000  # CLONE_NEWNET


def socket_in(namespace: str, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """An IPv4 socket that lives in a network namespace, whoever uses it afterwards.

    Args:
        namespace: Its file, such as `SandboxKey` of a container's network settings, or `/proc/PID/ns/net`.
        kind: As `socket.socket` takes it.

    Raises:
        OSError: There is no such namespace any more, or the process is not root.
    """
    made: list[socket.socket | OSError] = []
    # A namespace is a thread's own, so that this one's is left as it is.
    thread = threading.Thread(target=lambda: made.append(_enter(namespace, kind)))
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def _enter(namespace: str, kind: int) -> socket.socket | OSError:
    try:
        with open(namespace, "rb") as stream:
            if ctypes.CDLL(None, use_errno=True).setns(stream.fileno(), _NETWORK):
                number = ctypes.get_errno()
                return OSError(number, os.strerror(number), namespace)
        return socket.socket(socket.AF_INET, kind)
    except OSError as error:
        return error
