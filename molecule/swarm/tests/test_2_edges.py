"""Two edges as one: the same release, the same certificate, and a switch that all do or none."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import time

import pytest

LEAD, OTHER, SITE, STACK = "debian13", "third", "crm.example.com", "crm"
SWITCH = f"/usr/local/lib/sluice/edge-switch --everywhere {{}} {STACK}"


@pytest.fixture
def asked(server):
    """What the lead tells of all edges."""
    return lambda verb: json.loads(server("ssh", LEAD, SWITCH.format(verb)))


@pytest.fixture
def serving(server):
    """Colour and targets of the release that serves."""
    return json.loads(server("ssh", LEAD, "cat /etc/sluice/edge/conf/current/state.json"))["serving"][STACK]


def visit(address, site=SITE):
    """Status line and certificate that a visitor of an edge gets."""
    context = ssl._create_unverified_context()
    with (
        socket.create_connection((address, 443), 10) as plain,
        context.wrap_socket(plain, server_hostname=site) as connection,
    ):
        connection.sendall(f"GET / HTTP/1.0\r\nHost: {site}\r\n\r\n".encode())
        return connection.recv(4096).split(b"\r\n")[0].decode(), connection.getpeercert(binary_form=True)


def test_both_serve_alike_by_one_certificate(server, asked):
    seen = {visit(server("ip", name)) for name in (LEAD, OTHER)}
    assert len(seen) == 1
    status, certificate = seen.pop()
    assert status == "HTTP/1.1 200 OK"
    told = asked("certificate")
    assert (told["equal"], set(told["nodes"])) == (True, {LEAD, OTHER})
    assert told["fingerprint"] == hashlib.sha256(certificate).hexdigest()


def test_status_tells_of_both(asked, serving):
    told = asked("status")
    assert (told["serving"], told["left_out"]) == (serving["colour"], [])
    assert {name: each["serving"] for name, each in told["nodes"].items()} == dict.fromkeys(
        (LEAD, OTHER), serving["colour"]
    )


def test_where_one_cannot_switch_all_are_put_back(server, asked, serving):
    other = {"blue": "green", "green": "blue"}[serving["colour"]]
    request = json.dumps({"colour": other, "upstreams": serving["upstreams"]})
    server("ssh", OTHER, "docker stop sluice-edge-nginx")
    try:
        said = server("ssh", LEAD, f"echo '{request}' | {SWITCH.format('to')} 2>&1 || echo refused")
    finally:
        server("ssh", OTHER, "docker start sluice-edge-nginx")
    assert said.startswith(f"{OTHER}: ")
    assert said.endswith("refused")
    assert visit(server("ip", LEAD))[0] == "HTTP/1.1 200 OK"
    # The swarm tells the one that was away as soon as it can be told.
    for _ in range(30):
        told = {each["serving"] for each in asked("status")["nodes"].values()}
        answer, inbox = visit(server("ip", OTHER))[0], server("ssh", OTHER, "ls /etc/sluice/edge/inbox")
        if (told, answer, inbox) == ({serving["colour"]}, "HTTP/1.1 200 OK", ""):
            return
        time.sleep(1)
    pytest.fail(f"the edges serve {told}, the one that was away answers {answer}, and in its inbox is {inbox!r}")


def test_a_key_is_in_no_job(server):
    key = server("ssh", LEAD, f"cat /etc/sluice/edge/conf/current/tls/{STACK}.key").splitlines()[1]
    jobs = server("ssh", LEAD, "docker service inspect $(docker service ls -q --filter mode=global-job)")
    assert "sluice-edge-bring-" in jobs
    assert key not in jobs
