"""Sockets in another network namespace."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.netns import socket_in

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="only root enters another network"
)


def test_it_lives_there_while_the_caller_stays_where_it_was() -> None:
    own = os.readlink("/proc/self/ns/net")
    with subprocess.Popen(["unshare", "--net", "sleep", "30"]) as other:
        try:
            while os.readlink(f"/proc/{other.pid}/ns/net") == own:
                pass
            with socket_in(f"/proc/{other.pid}/ns/net") as there, socket.create_server(("127.0.0.1", 0)) as here:
                # Its loopback is another, and is down.
                with pytest.raises(OSError, match="unreachable"):
                    there.connect(here.getsockname())
                socket.create_connection(here.getsockname(), 1).close()
        finally:
            other.kill()
    assert os.readlink("/proc/self/ns/net") == own


def test_a_network_that_is_gone_is_said() -> None:
    with pytest.raises(FileNotFoundError):
        socket_in("/proc/0/ns/net")
