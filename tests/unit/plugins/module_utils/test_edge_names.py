# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses from the engine's DNS, and upstreams that follow them."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.edge import watch
from ansible_collections.sluice.deploy.plugins.module_utils.edge.apply import apply
from ansible_collections.sluice.deploy.plugins.module_utils.edge.engine import EdgeEngine
from ansible_collections.sluice.deploy.plugins.module_utils.edge.names import addresses_in, answer, query
from ansible_collections.sluice.deploy.plugins.module_utils.edge.store import Store
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import EDGE, serving, state

OVERLAY = replace(EDGE, overlay=True)


def packet(number, name, addresses, code=0, pointer=True):
    asked = query(number, name)[12:]
    rows = b"".join(
        (b"\xc0\x0c" if pointer else asked[:-4]) + struct.pack("!HHIH", 1, 1, 600, 4) + socket.inet_aton(address)
        for address in addresses
    )
    return struct.pack("!HHHHHH", number, 0x8180 | code, 1, len(addresses), 0, 0) + asked + rows


@limits(max_examples=40)
@given(
    st.integers(0, 65535),
    st.from_regex(r"[a-z][a-z0-9-]{0,30}(\.[a-z]{1,9})?", fullmatch=True),
    st.lists(st.ip_addresses(v=4).map(str), max_size=300, unique=True),
    st.booleans(),
)
def test_every_address_of_an_answer_is_read(number, name, addresses, pointer):
    assert answer(packet(number, name, addresses, pointer=pointer), number) == tuple(sorted(addresses))


@limits(max_examples=100)
@given(st.binary(max_size=80), st.integers(0, 120))
def test_no_answer_makes_it_stumble(noise, cut):
    whole = packet(7, "shop", ["10.0.0.1"])
    for spoilt in (noise, whole[:cut], whole[:cut] + noise, whole[:12] + noise):
        found = answer(spoilt, 7)
        assert found is None or isinstance(found, tuple)


@pytest.mark.parametrize(
    ("told", "read"),
    [
        (packet(7, "shop", [], code=3), ()),
        (packet(7, "shop", [], code=0), ()),
        (packet(7, "shop", [], code=2), None),
        (packet(8, "shop", ["10.0.0.1"]), None),
        (query(7, "shop"), None),
        (packet(7, "shop", ["10.0.0.1"])[:-1], None),
    ],
)
def test_none_there_is_not_the_same_as_no_answer(told, read):
    assert answer(told, 7) == read


@contextlib.contextmanager
def dns(known, hangs_up=False):
    """A server for TCP that knows these names; yields its address and what it was asked."""
    asked = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection = server.accept()[0]
                with connection, connection.makefile("rb") as stream:
                    while head := stream.read(2):
                        question = stream.read(struct.unpack("!H", head)[0])
                        if hangs_up:
                            break
                        name = question[13 : 13 + question[12]].decode()
                        asked.append(name)
                        told = packet(struct.unpack("!H", question[:2])[0], name, known.get(name, []))
                        connection.sendall(struct.pack("!H", len(told)) + told)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        try:
            yield server.getsockname(), asked
        finally:
            server.shutdown(socket.SHUT_RDWR)


def plain(_namespace):
    return socket.socket()


def test_names_are_asked_for_and_those_that_nobody_has_are_left_out():
    many = [f"{part}.{rest}" for part in range(1, 17) for rest in range(1, 250)]
    known = {"web": [f"10.0.{address}" for address in many], "api": ["10.1.0.2", "10.1.0.1"]}
    with dns(known) as (server, asked):
        found = addresses_in("/there", ["web", "api", "gone", *(f"n{n}" for n in range(150))], server, plain)
    assert found == {"web": tuple(sorted(known["web"])), "api": ("10.1.0.1", "10.1.0.2")}
    assert len(asked) == 153


@pytest.mark.parametrize("name", ["web", "", "a..b", "x" * 64])
def test_a_dns_that_does_not_answer_says_nothing_of_who_is_there(name):
    with dns({}, hangs_up=True) as (server, _), pytest.raises(UserError, match="DNS does not answer"):
        addresses_in("/there", [name], server, plain)


class Engine:
    """A Docker whose nginx is on an overlay, and the DNS in there."""

    def __init__(self):
        self.namespace = "/run/docker/netns/1"
        self.trouble = ""
        self.found = {"shop-blue-server": ("10.0.1.2", "10.0.1.3"), "shop-blue-front": ("10.0.1.4",)}
        self.asked = []

    def __call__(self, argv, timeout=0, told=""):
        command = " ".join(argv)
        if command.startswith("docker inspect"):
            if not self.namespace:
                return subprocess.CompletedProcess(argv, 1, "\n", self.trouble or "Error: No such container: x")
            settings = {"Networks": {"sluice-edge": {"IPAddress": ""}}, "SandboxKey": self.namespace}
            one = {"Name": "/sluice-edge-nginx", "Config": {"Image": "another"}, "NetworkSettings": settings}
            return subprocess.CompletedProcess(argv, 0, json.dumps(one), "")
        assert "ps" not in argv, "nobody lists who is on an overlay"
        if command.startswith("docker image inspect"):
            return subprocess.CompletedProcess(argv, 0, "sha256:1", "")
        said = "nginx version: nginx/1.30.6\nbuilt with OpenSSL 3.5.0\n" if argv[-1] == "-V" else ""
        return subprocess.CompletedProcess(argv, 0, "", said)

    def resolve(self, namespace, names):
        assert namespace == self.namespace
        self.asked.append(set(names))
        return {name: self.found[name] for name in names if name in self.found}


def served(engine, tmp_path):
    store = Store(tmp_path)
    whole = replace(state().with_serving("shop", serving()), edge=OVERLAY)
    apply(store, EdgeEngine(OVERLAY, tmp_path, engine, engine.resolve), whole, {"shop": (b"chain", b"key")})
    return store


def test_on_an_overlay_upstreams_are_what_dns_says_in_nginx_s_network(tmp_path):
    engine = Engine()
    written = served(engine, tmp_path).files()["upstreams.conf"].decode()
    assert [row.split()[1] for row in written.splitlines() if row.startswith("    server ")] == [
        "10.0.1.2:3000",
        "10.0.1.3:3000",
        "10.0.1.4:3001",
    ]
    assert engine.asked == [{"shop-blue-server", "shop-blue-front"}]


def test_before_nginx_runs_nobody_can_be_found_and_an_engine_that_fails_is_no_such_word(tmp_path):
    engine = Engine()
    engine.namespace = ""
    assert EdgeEngine(OVERLAY, tmp_path, engine, engine.resolve).look({"shop-blue-front"}).addresses == {}
    engine.trouble = "Cannot connect to the Docker daemon"
    with pytest.raises(UserError, match="Cannot connect"):
        EdgeEngine(OVERLAY, tmp_path, engine, engine.resolve).look({"shop-blue-front"})


def test_the_watcher_sees_a_task_that_moved_and_lets_a_silent_dns_pass(tmp_path, monkeypatch):
    engine = Engine()
    store = served(engine, tmp_path)
    monkeypatch.setattr(watch, "EdgeEngine", lambda edge, root: EdgeEngine(edge, root, engine, engine.resolve))
    moves = watch.Moves(store, engine.resolve)
    assert [moves.any(), moves.any(), moves.unseen] == [True, False, True]
    engine.found["shop-blue-front"] = ("10.0.1.9",)
    assert [moves.any(), moves.any()] == [True, False]

    def silent(namespace, names):
        raise UserError("silent")

    monkeypatch.setattr(moves, "_resolve", silent)
    assert moves.any() is False
    monkeypatch.setattr(moves, "_resolve", engine.resolve)
    assert moves.any() is False


def test_where_the_engine_tells_of_every_move_dns_is_not_asked(tmp_path):
    engine = Engine()
    store = served(engine, tmp_path)
    bridge = replace(store.state(), edge=EDGE)
    monkeyed = Store(tmp_path)
    monkeyed.state = lambda: bridge
    moves, asked = watch.Moves(monkeyed, engine.resolve), len(engine.asked)
    assert (moves.any(), moves.unseen, len(engine.asked)) == (False, False, asked)
