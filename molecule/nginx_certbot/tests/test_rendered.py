"""What the rendered configuration does, on every nginx that is supported."""

from __future__ import annotations

import base64
import json
import socket
from dataclasses import replace

import pytest
from conftest import read_all
from real_nginx import RELEASES, RealNginx, docker

from ansible_collections.sluice.deploy.plugins.filter.htpasswd import htpasswd
from ansible_collections.sluice.deploy.plugins.module_utils.edge.csp import policy_id
from ansible_collections.sluice.deploy.plugins.module_utils.edge.site import SiteRoute
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.edge_help import serving, site, state


@pytest.fixture(scope="module", params=RELEASES)
def nginx(request):
    with RealNginx(request.param) as running:
        yield running


@pytest.fixture
def serve(nginx):
    """Serve the shop with these settings."""

    def run(described=None, **settings):
        return nginx.serve(state(site(described, **settings)).with_serving("shop", serving()))

    return run


def policies(answer) -> tuple[str, str]:
    headers = answer.headers
    return headers.get("content-security-policy", ""), headers.get("content-security-policy-report-only", "")


@pytest.mark.parametrize("mode", ["enforce", "report", "app"])
def test_the_apps_own_policy_wins(serve, mode):
    client = serve(csp_mode=mode)
    assert policies(client.get("/own-policy")) == ("default-src 'none'", "")
    enforced, reported = policies(client.get("/"))
    assert ("script-src 'self'" in enforced, "script-src 'self'" in reported) == (mode == "enforce", mode == "report")
    assert policies(client.get("/api/reset"))[0 if mode == "enforce" else 1].startswith("default-src") == (
        mode != "app"
    )


def report(page="https://shop.test/admin/?token=secret#x", directive="script-src-elem", blocked="inline") -> bytes:
    inner = {"document-uri": page, "referrer": "https://shop.test/?secret", "effective-directive": directive}
    return json.dumps({"csp-report": {**inner, "blocked-uri": blocked, "script-sample": "secret"}}).encode()


def test_violations_are_noted_without_their_query_strings(serve, nginx):
    client = serve()
    place = policies(client.get("/"))[1].rpartition("report-uri ")[2]
    assert place == f"/.well-known/sluice/csp/{policy_id(site())}"
    for body in (
        report(),
        report(directive="img-src", blocked="https://cdn.test/x.png?secret"),
        report(blocked="chrome-extension://abc/x.js"),
        report(page='https://shop.test/"secret'),
        b"secret" * 100,
        b"{",
    ):
        assert client.send(place, method="POST", body=body).status == 204
    assert client.send(place, method="POST", body=b"x" * 17000).status == 413
    assert client.get(place).status == 403
    log = docker("exec", nginx.name, "cat", "/var/cache/edge/csp.shop.log")
    assert "secret" not in log
    rows = [json.loads(row) for row in log.splitlines()]
    assert [(r["policy"], r["page"], r["directive"], r["blocked"]) for r in rows] == [
        (policy_id(site()), "/admin/", "script-src-elem", "inline"),
        (policy_id(site()), "/admin/", "img-src", "https://cdn.test"),
        (policy_id(site()), "/", "script-src-elem", "inline"),
    ]
    statuses = [client.send(place, method="POST", body=report()).status for _ in range(120)]
    assert statuses.count(429) > 0, "a flood of one visitor is bounded"


def test_an_alias_leads_to_the_name_or_serves(serve):
    aliased = {"domain_aliases": ["www.shop.test"]}
    www = {"host": "www.shop.test", "name": "www.shop.test"}
    answer = serve(aliased).send("/a?b=c", method="POST", body=b"x", **www)
    assert (answer.status, answer.headers["location"]) == (308, "https://shop.test/a?b=c")
    assert answer.headers["strict-transport-security"]
    assert serve(aliased, aliases="serve").get("/api/x", **www).status == 200


def test_a_host_has_routes_of_its_own(nginx):
    routes = (*site().routes, SiteRoute("/", "server", 60, host="admin.shop.test", port=3001))
    where = serving()
    where = replace(where, upstreams={**where.upstreams, "server:3001": ("shop-blue-server:3001",)})
    client = nginx.serve(state(replace(site(), routes=routes)).with_serving("shop", where))
    admin = {"host": "admin.shop.test", "name": "admin.shop.test"}
    assert client.get("/x", **admin).json["port"] == 3001
    assert client.get("/api/x", **admin).json["port"] == 3001
    assert client.get("/api/x").json["port"] == 3000
    assert client.get("/api/x", port=80, host="admin.shop.test").headers["location"] == "https://admin.shop.test/api/x"


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


USERS = htpasswd({"ann": "battery staple", "bob": "correct horse"}, "shop")


def test_who_may_come(serve):
    client = serve(
        users=USERS,
        access=[
            {"path": "/api", "allow": ["203.0.113.0/24"]},
            {"path": "/api/open", "allow": ["0.0.0.0/0"]},
            {"path": "/admin", "users": ["ann"]},
        ],
    )
    assert [client.get(p).status for p in ("/api/x", "/api", "//api/x", "/%61pi/x", "/y/../api/x")] == [403] * 5
    assert client.get("/api/open").status == client.get("/").status == 200
    assert client.get("/api/x").headers["x-content-type-options"] == "nosniff"
    assert [
        client.get("/admin/x", headers=h).status for h in ({}, basic("ann", "no"), basic("bob", "correct horse"))
    ] == [401] * 3
    seen = client.get("/admin/x", headers=basic("ann", "battery staple")).json["headers"]
    assert "Authorization" not in seen


def test_a_service_says_who_may_come(serve):
    rule = {"service": "server", "path": "/ask", "sign_in": "/login?rd=", "headers": ["Remote-User"]}
    client = serve(access=[{"path": "/api", "forward_auth": rule}])
    answer = client.get("/api/x?y", headers={"Accept": "text/html"})
    assert (answer.status, answer.headers["location"]) == (302, "/login?rd=https://shop.test/api/x?y")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.send("/api/x", method="POST", body=b"x").status == 401
    forged = {"Remote-User": "root", "Cookie": "sso=ann"}
    answer = client.get("/api/x", headers=forged)
    assert answer.json["headers"]["Remote-User"] == "ann"
    assert answer.json["headers"]["Host"] == "shop.test"
    assert answer.headers["set-cookie"] == "sso=ann; refreshed"
    assert "Remote-User" not in client.get("/open", headers=forged).json["headers"]
    assert client.get("/.well-known/sluice/forward/0", headers=forged).status == 404


@pytest.mark.parametrize("path", ["/", "/api/x"])
def test_maintenance_on_demand(nginx, path):
    closed = replace(site(maintenance_page="<p>Soon"), maintenance=True)
    client = nginx.serve(state(closed).with_serving("shop", serving()))
    answer = client.send(path, method="POST", body=b"x" * 2**21)
    assert (answer.status, answer.headers["retry-after"], answer.body) == (503, "30", b"<p>Soon")
    assert answer.headers["x-content-type-options"] == "nosniff"
    team = replace(closed, maintenance_allow=("172.16.0.0/12", "10.0.0.0/8", "192.168.0.0/16"))
    assert nginx.serve(state(team).with_serving("shop", serving())).get(path).status == 200


def test_a_service_that_breaks_off_is_told_with_the_page(serve):
    answer = serve(maintenance_page="<p>Soon").send("/api/reset", method="POST", body=b"x")
    assert (answer.status, answer.headers["retry-after"], answer.body) == (502, "30", b"<p>Soon")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_long_headers_static_files_and_directives_of_ones_own(serve):
    own = 'location = /own {\n  return 200 "mine";\n}\nclient_body_timeout 7s; # fine'
    client = serve(response_header_size="128KiB", cache={"paths": ["/assets/"], "seconds": 60}, extra=own)
    assert client.get("/assets/big-headers").status == 200
    first, second = (client.get("/assets/x").json["moment"] for _ in range(2))
    assert first == second
    assert client.get("/x").json["moment"] != client.get("/x").json["moment"]
    assert client.get("/own").body == b"mine"


def test_a_port_leads_to_a_service(serve, nginx):
    client = serve(
        ports=[
            {"port": 1883, "service": "server", "target": 3000},
            {"port": 8883, "service": "server", "target": 3000, "tls": True},
            {"port": 1884, "service": "server", "target": 3000, "allow": ["203.0.113.7"]},
            {"port": 5353, "service": "server", "target": 3000, "protocol": "udp"},
        ]
    )

    def ask(connection) -> bytes:
        with connection:
            connection.sendall(b"GET /x HTTP/1.0\r\n\r\n")
            return read_all(connection)

    assert b'"port": 3000' in ask(socket.create_connection((client.address, 1883), timeout=5))
    assert b'"port": 3000' in ask(client.connect(port=8883))
    assert ask(socket.create_connection((client.address, 1884), timeout=5)) == b""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as questions:
        questions.settimeout(5)
        questions.connect((client.address, 5353))
        for number in (b"1", b"2"):
            questions.send(number)
            assert questions.recv(100) == b"3000 " + number
