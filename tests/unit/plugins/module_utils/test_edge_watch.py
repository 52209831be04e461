# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What looks after the edge goes on whatever fails."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import threading
from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.edge import attempts, watch
from ansible_collections.sluice.deploy.plugins.module_utils.edge.apply import apply
from ansible_collections.sluice.deploy.plugins.module_utils.edge.certificates import self_signed
from ansible_collections.sluice.deploy.plugins.module_utils.edge.engine import EdgeEngine
from ansible_collections.sluice.deploy.plugins.module_utils.edge.project import units
from ansible_collections.sluice.deploy.plugins.module_utils.edge.renewal import maintain
from ansible_collections.sluice.deploy.plugins.module_utils.edge.store import Store
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import EDGE, FakeDocker, site, state


@pytest.fixture
def watched(monkeypatch, tmp_path):
    """Runs the watcher over an engine whose events last a moment; answers how often it refreshed and started."""
    monkeypatch.setattr(watch, "_RETRY_SECONDS", 0.01)

    def run(refreshes, starts, events="echo container; sleep 0.5", reminds=()):
        counted, said = {"refresh": 0, "start": 0, "remind": 0}, []

        def stand_in(name, answers):
            def act(store):
                counted[name] += 1
                answer = answers.pop(0) if answers else None
                if answer:
                    raise answer
                return False

            return act

        monkeypatch.setattr(watch, "refresh", stand_in("refresh", refreshes))
        monkeypatch.setattr(watch, "start", stand_in("start", starts))
        monkeypatch.setattr(watch, "remind", stand_in("remind", list(reminds)))
        monkeypatch.setattr(watch, "_EVENTS", ("sh", "-c", events))
        watch.watch(Store(tmp_path), said.append)
        return counted, said

    return run


def test_the_watcher_outlives_what_fails_and_tries_again(watched):
    counted, said = watched([UserError("ps"), None], [UserError("none"), OSError("disk"), None], "sleep 0.5")
    assert counted == {"refresh": 3, "start": 3, "remind": 1}
    assert said == ["ps", "none", "disk"]


def test_events_of_one_moment_are_one_refresh_and_nginx_is_started_once(watched):
    counted, _ = watched([], [], "sleep 0.1; echo a; echo b; echo c; sleep 0.6")
    assert counted == {"refresh": 2, "start": 1, "remind": 1}


def test_a_node_that_came_up_is_reminded_and_again_where_that_failed(watched):
    counted, said = watched([], [], "sleep 0.1; echo node; sleep 0.6", [None, UserError("no leader")])
    assert counted["remind"] == 3
    assert said == ["no leader"]


def test_systemd_does_not_give_the_watcher_up():
    unit = units(Path("/x"), Path("/y"))["sluice-edge.service"]
    assert "StartLimitIntervalSec=0" in unit.split("[Service]")[0]


def test_a_certbot_that_hangs_is_noted_and_the_others_go_on(tmp_path):
    docker = FakeDocker()
    both = state(site(), site({"name": "blog", "domain": "blog.test"}))
    pairs = {name: self_signed(one.domains) for name, one in both.sites.items()}
    store = Store(tmp_path)
    apply(store, EdgeEngine(EDGE, tmp_path, docker), both, pairs)

    def hanging(argv, timeout=0):
        if "--entrypoint=certbot" in argv and "shop" in argv:
            raise UserError("docker run --rm did not finish within 900 s.")
        return docker(argv, timeout)

    troubles = maintain(store, lambda text: None, hanging)
    assert troubles == ["shop: docker run --rm did not finish within 900 s."]
    assert docker.calls.count(["docker", "rm", "-f", "sluice-edge-certbot-shop"]) == 2
    assert attempts.load(tmp_path, "shop").failures
    assert attempts.load(tmp_path, "blog").issued["domains"] == ["blog.test"]


@contextlib.contextmanager
def serving(pair, folder):
    """A port of loopback on which visitors get this certificate."""
    both = folder / "served.pem"
    both.write_bytes(b"".join(pair))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        with contextlib.suppress(OSError):
            while True:
                plain, _peer = listener.accept()
                with plain, contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True):
                    pass

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize("stale", [False, True])
def test_a_certificate_that_is_in_place_and_not_served_is_an_alert(stale, tmp_path):
    docker, one = FakeDocker(), site(certificate={"kind": "self_signed"})
    pair = self_signed(one.domains)
    store = Store(tmp_path)
    with serving(self_signed(one.domains) if stale else pair, tmp_path) as port:
        edge = dataclasses.replace(EDGE, https_port=port)
        apply(store, EdgeEngine(edge, tmp_path, docker), dataclasses.replace(state(one), edge=edge), {one.name: pair})
        told = maintain(store, lambda text: None, docker)
    advice = "restart it with: docker restart sluice-edge-nginx."
    assert told == ([f"shop: nginx does not serve the certificate that is in place; {advice}"] if stale else [])
    assert (tmp_path / "ALERT").exists() == stale
    # Nobody answers any more, and that is no matter of certificates.
    assert maintain(store, lambda text: None, docker) == []
