"""What a visitor meets, on every nginx that is supported."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import read_all
from waiting import eventually

HEADERS = {
    "strict-transport-security": "max-age=63072000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin-allow-popups",
    "cross-origin-resource-policy": "same-origin",
}
MIB = 1024 * 1024
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


OLDER = [pytest.param(name, marks=pytest.mark.long) for name in ("bookworm", "trixie")]


@pytest.fixture(scope="module", params=[*OLDER, "forky"], autouse=True)
def release(request, converge, apps):
    """nginx 1.22, 1.26 and 1.30; the last one stays."""
    converge(nginx_certbot_image=f"local/sluice-nginx:{request.param}")
    apps.start("blue")
    apps.switch("blue")
    yield request.param
    apps.stop("blue")


def full_headers(answer) -> None:
    assert {k: v for k, v in answer.headers.items() if k in HEADERS} == HEADERS
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["server"] == "nginx"


def test_http_redirects_with_path_and_query(client):
    answer = client.get("/a/b?c=d&e=%20f", port=80)
    assert (answer.status, answer.headers["location"]) == (301, "https://shop.test/a/b?c=d&e=%20f")


def test_acme_path_is_answered_over_http(client, shell):
    shell("install -d -o 65532 -g 65532 /etc/sluice/edge/webroot/.well-known{,/acme-challenge}")
    shell("cat > /etc/sluice/edge/webroot/.well-known/acme-challenge/probe", "proof")
    assert client.get("/.well-known/acme-challenge/probe", port=80).body == b"proof"
    assert client.get("/.well-known/acme-challenge/other", port=80).status == 404


def test_foreign_name_in_the_handshake_is_refused(client):
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        client.connect("stranger.test")


def test_foreign_host_gets_nothing(client):
    assert client.get("/", host="stranger.test").status == 421
    with client.connect(port=80) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: stranger.test\r\n\r\n")
        assert read_all(connection) == b""


def test_every_name_is_answered(client):
    answer = client.get("/a?b", host="www.shop.test", name="www.shop.test")
    assert (answer.status, answer.headers["location"]) == (308, "https://shop.test/a?b")


def test_http_2(client):
    context = ssl.create_default_context(cadata=None)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with client.connect(context=context) as connection:
        assert connection.selected_alpn_protocol() == "h2"
    curl = ["curl", "-sk", "--http2", "--resolve", f"shop.test:443:{client.address}", "https://shop.test/api/x"]
    done = subprocess.run([*curl, "-w", "\n%{http_version}"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[0])["colour"] == "blue"
    assert done.stdout.splitlines()[1] == "2"


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_tls_is_refused(client, version):
    argv = ["openssl", "s_client", version, "-cipher", "DEFAULT@SECLEVEL=0"]
    argv += ["-connect", f"{client.address}:443", "-servername", "shop.test"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, input="")
    assert "alert protocol version" in done.stderr


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/api/x", 200), ("/api/missing", 404), ("/api/reset", 502)],
)
def test_security_headers_on_every_answer(client, path, status):
    answer = client.get(path)
    assert answer.status == status
    full_headers(answer)


def test_security_headers_on_a_body_too_large(client):
    answer = client.send("/", method="POST", body=b"x" * (MIB + 1))
    assert answer.status == 413
    full_headers(answer)


def test_inline_scripts_of_the_page_are_allowed_by_hash(client):
    policy = client.get("/").headers["content-security-policy"]
    assert "script-src 'self' 'sha256-" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]


def burst(client, path, count, headers=None):
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: client.get(path, headers=headers), range(count)))


def test_limit_answers_429_after_the_burst_and_not_before(client):
    time.sleep(3)  # The bucket of 20 runs dry at 10 a second.
    statuses = [a.status for a in burst(client, "/api/x", 18)]
    assert statuses == [200] * 18
    answers = burst(client, "/api/x", 60)
    refused = [a for a in answers if a.status == 429]
    assert len(refused) >= 20
    assert {a.status for a in answers} == {200, 429}
    full_headers(refused[0])


def test_limit_of_one_route_leaves_others_alone(client):
    burst(client, "/api/x", 40)
    assert [a.status for a in burst(client, "/", 40)] == [200] * 40


def test_streams_are_not_limited(client):
    event_stream = {"Accept": "text/event-stream"}
    assert {a.status for a in burst(client, "/api/x", 60, event_stream)} == {200}
    assert {a.status for a in burst(client, "/stream/x", 60)} == {200}


@pytest.mark.parametrize("path", ["/", "/api/ws", "/graphql", "/stream"])
def test_websocket_on_every_route(client, path):
    with client.connect() as connection:
        fields = "".join(f"{k}: {v}\r\n" for k, v in {"Host": "shop.test", **WEBSOCKET}.items())
        connection.sendall(f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode())
        data = b""
        while b"hello" not in data:
            part = connection.recv(4096)
            assert part, data
            data += part
        assert data.startswith(b"HTTP/1.1 101")


@pytest.mark.parametrize("path", ["/events", "/api/events", "/graphql/events"])
def test_events_arrive_as_they_are_sent(client, path):
    with client.connect() as connection:
        connection.settimeout(1)  # The app goes on for two seconds: held back, the event would be late.
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: shop.test\r\n\r\n".encode())
        data = b""
        while b"data: first" not in data:
            data += connection.recv(4096)


def test_body_at_and_over_the_limit(client):
    assert client.send("/", method="POST", body=b"x" * MIB).status == 200
    assert client.send("/", method="POST", body=b"x" * (MIB + 1)).status == 413
    assert client.send("/upload", method="POST", body=b"x" * 2 * MIB).json["bytes"] == 2 * MIB
    assert client.send("/upload", method="POST", body=b"x" * (2 * MIB + 1)).status == 413


def test_forged_client_addresses_are_ignored(client):
    forged = dict.fromkeys(("X-Forwarded-For", "X-Real-IP", "Forwarded"), "6.6.6.6")
    seen = client.get("/api/x", headers=forged).json["headers"]
    assert "6.6.6.6" not in json.dumps(seen)
    assert seen["X-Forwarded-For"] == seen["X-Real-IP"]
    assert (seen["X-Forwarded-Proto"], seen["X-Forwarded-Port"], seen["Host"]) == ("https", "443", "shop.test")


def test_logs_hold_no_query_string(client, shell):
    secret = f"loginToken={time.time_ns()}"
    for path in ("/", "/api/x", "/api/missing", "/api/reset"):
        client.get(f"{path}?{secret}", headers={"Referer": f"https://shop.test/verify?{secret}"})
    client.send(f"/?{secret}", method="POST", body=b"x" * (MIB + 1))
    burst(client, f"/api/x?{secret}", 60)
    logs = shell("docker logs --tail 300 sluice-edge-nginx 2>&1").stdout
    assert '"referer":"https://shop.test/verify"' in logs
    assert '"path":"/api/reset"' in logs
    assert secret not in logs


def test_log_lines_are_json(client, shell):
    client.get("/api/x", headers={"User-Agent": 'a "quoted" \\ agent'})
    lines = shell("docker logs --tail 20 sluice-edge-nginx 2>/dev/null").stdout.splitlines()
    entry = [json.loads(line) for line in lines][-1]
    assert entry["agent"] == 'a "quoted" \\ agent'
    assert (entry["host"], entry["path"], entry["status"]) == ("shop.test", "/api/x", "200")


def test_app_headers_that_the_edge_owns_come_once(client):
    with client.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
        data = b"".join(iter(lambda: connection.recv(65536), b""))
    assert data.lower().count(b"x-frame-options") == 1


def test_upstream_that_moves_is_followed(client, shell, apps):
    form = '{{(index .NetworkSettings.Networks "sluice-edge").IPAddress}}'
    inspect = f"docker inspect -f '{form}' shop-blue-server"
    before = shell(inspect).stdout
    # Another container takes the address while the app is away.
    shell("docker stop shop-blue-server && docker run -d --name squatter --network sluice-edge "
          "-v /root/app.py:/app.py:ro --entrypoint python3 local/sluice-certbot:forky /app.py 3000 squatter "
          "&& docker start shop-blue-server")  # fmt: skip
    try:
        assert shell(inspect).stdout != before
        eventually(lambda: client.get("/api/x").json["colour"] == "blue")
    finally:
        shell("docker rm -f squatter")


def test_nginx_starts_without_the_app(client, shell, apps):
    apps.stop("blue")
    shell("docker restart sluice-edge-nginx && systemctl restart sluice-edge")
    try:
        answer = eventually(lambda: (a := client.get("/")).status == 503 and a)
        assert answer.headers["retry-after"] == "30"
        assert b"Back shortly" in answer.body
        full_headers(answer)
    finally:
        apps.start("blue")
    eventually(lambda: client.get("/").status == 200)


def test_gixy_finds_nothing(judges, configuration):
    done = judges.ask("gixy", "--format=json", "/site/nginx.conf", folder=configuration)
    assert json.loads(done.stdout) == [], done.stdout + done.stderr
