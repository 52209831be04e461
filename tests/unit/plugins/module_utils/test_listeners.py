from __future__ import annotations

import os
import socket
from pathlib import Path

from ansible_collections.sluice.deploy.plugins.module_utils.listeners import holder, parse_listeners, read_listeners

TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1
   2: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0
"""


def proc(top: Path, **processes: str) -> Path:
    """A /proc with the table above and processes p<pid>="<name> <inode>"."""
    (top / "net").mkdir()
    (top / "net/tcp").write_text(TCP)
    for key, words in processes.items():
        name, inode = words.split()
        place = top / key[1:]
        (place / "fd").mkdir(parents=True)
        (place / "fd/3").symlink_to(f"socket:[{inode}]")
        (place / "comm").write_text(f"{name}\n")
    return top


def test_listening_sockets_only() -> None:
    assert parse_listeners(TCP) == {"4711": 22, "4713": 80}


def test_who_holds_a_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert holder(port).endswith(f"(pid {os.getpid()})")
        assert read_listeners()[port]
    assert holder(port) == ""


def test_of_processes_that_share_a_socket_the_oldest_holds_it(tmp_path: Path) -> None:
    assert holder(80, proc(tmp_path, p12="worker 4713", p9="nginx 4713")) == "nginx (pid 9)"


def test_a_socket_that_no_process_here_has(tmp_path: Path) -> None:
    top = proc(tmp_path, p9="sshd 4711", p12="curl 4712")
    assert holder(80, top) == "a process of another namespace"
    assert read_listeners(top) == {22: "sshd", 80: ""}
