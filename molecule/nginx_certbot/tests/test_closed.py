"""Ways into a closed preview, counted."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from conftest import parse
from real_nginx import RELEASES, RealNginx

from ansible_collections.sluice.deploy.plugins.filter.htpasswd import htpasswd
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import serving, site, state

ANN = htpasswd({"ann": "battery staple"}, "shop")
BLOG = {"name": "blog", "domain": "blog.test"}
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "eA==",
}


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture(scope="module", params=RELEASES)
def client(request):
    """The shop is closed, and has a part that only ann may see; the blog is closed for another; open.test is open."""
    blog = serving()
    blog = replace(
        blog, upstreams={s: tuple(t.replace("shop", "blog") for t in ts) for s, ts in blog.upstreams.items()}
    )
    closed = site(
        {"routes": [{"path": "/api", "service": "server", "rate_limit": "1r/m"}, {"path": "/app", "service": "front"}]},
        basic_auth=ANN,
    )
    all_three = state(
        closed,
        site(BLOG, basic_auth=htpasswd({"bob": "correct horse"}, "blog")),
        site({"name": "off", "domain": "open.test"}),
    )
    for name in ("shop", "blog", "off"):
        all_three = all_three.with_serving(name, serving())
    with RealNginx(request.param) as nginx:
        yield nginx.serve(replace(all_three, secret="s" * 64))


def passed(answer) -> bool:
    """It comes from the app, or brings a pass."""
    return (
        answer.status == 101
        or b'"colour"' in answer.body
        or b"window.colour" in answer.body
        or "sluice_preview" in answer.headers.get("set-cookie", "")
    )


def cookie_of(client, name: str, authorization: str) -> str:
    answer = client.get("/api/x", host=name, name=name, headers={"Authorization": authorization})
    assert answer.status == 200
    return answer.headers["set-cookie"].split(";")[0]


def raw(client, data: bytes, name: str = "shop.test"):
    with client.connect(name) as connection:
        connection.sendall(data)
        connection.settimeout(1)
        received = b""
        with contextlib.suppress(TimeoutError, ConnectionError, ssl.SSLError):
            while part := connection.recv(65536):
                received += part
        # A client of HTTP/0.9 gets the page alone.
        return parse(received if received.startswith(b"HTTP/") else b"HTTP/1.1 000 nothing\r\n\r\n" + received)


def ways(client) -> Iterator[tuple[str, Callable[[], object]]]:
    wrong = {
        "nobody": {},
        "unknown": {"Authorization": basic("nobody", "wrong")},
        "wrong": {"Authorization": basic("ann", "wrong")},
        "empty": {"Authorization": basic("ann", "")},
        "no user": {"Authorization": basic("", "")},
        "hash": {"Authorization": basic("ann", ANN[0].partition(":")[2])},
        "bearer": {"Authorization": "Bearer x"},
        "another stack's": {"Authorization": basic("bob", "correct horse")},
        "claims": {"Remote-User": "ann", "X-Remote-User": "ann", "X-Forwarded-User": "ann"},
        "huge": {"Authorization": basic("ann", "wrong"), "X": "x" * 60_000},
    }
    for (who, headers), method in itertools.product(wrong.items(), ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")):
        yield f"{who} {method}", lambda h=headers, m=method: client.send("/api/x", method=m, headers=h)
    for who, path in itertools.product(("nobody", "unknown"), (
        "/", "/app", "/missing", "//api/x", "/%61pi/x", "/app/../api/x", "/index.html", "/" + "x" * 20_000, "/%00", "/..",
        "/.well-known/sluice/forward/0", "/.well-known/acme-challenge/x", "/.well-known/sluice/csp/00000000", "/api/x;a",
    )):  # fmt: skip
        yield f"{who} {path[:30]}", lambda h=wrong[who], p=path: client.get(p, headers=h)
    too_large = {"Content-Length": "99999999999", "Authorization": basic("nobody", "wrong")}
    yield "too large a body", lambda: client.send("/api/x", method="POST", headers=too_large)
    yield "expects", lambda: client.send("/api/x", method="POST", headers={**too_large, "Expect": "100-continue"})
    fields = "".join(f"{name}: {value}\r\n" for name, value in WEBSOCKET.items())
    handshake = f"GET /api/ws HTTP/1.1\r\nHost: shop.test\r\n{fields}\r\n".encode()
    yield "websocket", lambda: raw(client, handshake)
    h2c = {"Connection": "Upgrade, HTTP2-Settings, close", "Upgrade": "h2c"}
    yield "h2c", lambda: client.get("/api/x", headers=h2c)
    old = hashlib.sha256("\n".join(ANN).encode()).hexdigest()
    other = cookie_of(client, "blog.test", basic("bob", "correct horse"))
    guesses = ("", "off", "1", "ann", old, "0" * 64, other.partition("=")[2], 'x"; off', "x, off", "%6fff")
    for guess in guesses:
        yield f"cookie {guess[:20]}", lambda g=guess: client.get("/api/x", headers={"Cookie": f"sluice_preview={g}"})
    for number in range(12):
        yield f"over the limit {number}", lambda: client.get("/api/x", headers={"Authorization": basic("ann", "wrong")})
    for host in ("open.test", "blog.test", "stranger.test", "shop.test:80", "SHOP.test", "shop.test."):
        yield f"Host {host} within shop.test", lambda h=host: client.get("/api/x", host=h)
    for path in ("/api/x", "https://open.test/api/x", "*"):
        request = f"GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n".encode()
        yield f"line {path}", lambda r=request: raw(client, r)
        yield f"line {path} within open.test", lambda r=request: raw(client, r, "open.test")
    yield "no Host", lambda: raw(client, b"GET /api/x HTTP/1.0\r\n\r\n")
    yield "HTTP/0.9", lambda: raw(client, b"GET /api/x\r\n")
    smuggled = b"GET /api/x HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n"
    both = b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (len(smuggled) + 5)
    yield "smuggled", lambda: raw(client, b"POST /app HTTP/1.1\r\nHost: shop.test\r\n" + both + smuggled)


def test_a_hundred_ways_in_lead_nowhere(client):
    tried = list(ways(client))
    answers = {name: way() for name, way in tried}
    assert len(answers) > 100
    # Its own door is the open site's, whose name in Host may be asked for within any handshake.
    mine = {name: a for name, a in answers.items() if "Host open.test" not in name and "https://open.test" not in name}
    assert [(name, a.status) for name, a in mine.items() if passed(a)] == []


def test_http_2_leads_nowhere_either(client):
    curl = [
        "curl",
        "-sk",
        "--http2",
        "-D-",
        "--resolve",
        f"shop.test:8443:{client.address}",
        "https://shop.test:8443/api/x",
    ]
    for extra in ([], ["-u", "ann:wrong"], ["-H", "Cookie: sluice_preview=off"], ["-X", "POST", "-d", "x" * 9999]):
        said = subprocess.run([*curl, *extra], capture_output=True, check=True).stdout
        assert said.startswith(b"HTTP/2 4")
        assert b'"colour"' not in said
        assert b"sluice_preview" not in said


def test_the_password_opens_and_its_pass_too(client):
    """Or none of the above would mean a thing."""
    pass_ = cookie_of(client, "blog.test", basic("bob", "correct horse"))
    assert client.get("/api/x", host="blog.test", name="blog.test", headers={"Cookie": pass_}).status == 200
