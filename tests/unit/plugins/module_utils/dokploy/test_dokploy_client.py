from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.dokploy import client as client_module
from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.client import Client, Server
from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.responses import read_answer
from ansible_collections.sluice.deploy.plugins.module_utils.errors import DokployError, UserError

KEY = "synthetic-key-0123456789"


class Scripted(HTTPServer):
    """Gives prepared answers, one a request, and keeps the requests."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    wbufsize = -1

    def log_message(self, *_args):
        pass

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        self.server.requests.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        status, body, headers = self.server.answers.pop(0)
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()


@pytest.fixture
def serve():
    servers = []

    def start(*answers):
        server = Scripted(*[(*a, {})[:3] for a in answers])
        servers.append(server)
        client = Client(Server(f"http://127.0.0.1:{server.server_port}/", KEY, timeout=2), sleep=lambda seconds: None)
        return server, client

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_query_and_key(serve):
    server, client = serve((200, "[1]"))
    assert client.get("project.one", projectId="a b") == [1]
    method, path, headers, _ = server.requests[0]
    assert (method, path, headers["x-api-key"]) == ("GET", "/api/project.one?projectId=a+b", KEY)
    assert "Authorization" not in headers


def test_mutation_sends_real_booleans(serve):
    server, client = serve((200, ""))
    assert client.post("domain.create", https=False, port=80) is None
    assert json.loads(server.requests[0][3]) == {"https": False, "port": 80}


def test_a_query_is_repeated_and_a_mutation_is_not(serve):
    away = (503, "<html>", {"content-type": "text/html"})
    server, client = serve(away, away, (200, "{}"))
    assert client.get("project.all") == {} and client.reads == 3
    server, client = serve(away, (200, "{}"))
    with pytest.raises(DokployError):
        client.post("project.create", name="x")
    assert len(server.requests) == 1 and client.writes == 1


def test_a_query_outlasts_a_restart_of_the_server(serve):
    away = (503, "<html>", {"content-type": "text/html"})
    pauses = []
    _, client = serve(*[away] * 6, (200, "{}"))
    client._sleep = pauses.append
    assert client.get("project.all") == {} and sum(pauses) >= 18


def test_no_redirect_is_followed_with_the_key(serve):
    server, client = serve((301, "", {"location": "https://elsewhere.example/api"}))
    with pytest.raises(DokployError, match=r"redirects project\.all to https://elsewhere"):
        client.get("project.all")
    assert len(server.requests) == 1


def test_a_body_over_the_limit_is_not_sent(serve):
    server, client = serve()
    with pytest.raises(UserError, match="Dokploy takes 1,000,000"):
        client.post("compose.update", composeFile="x" * 1_000_001)
    assert server.requests == []


def test_a_missing_procedure_asks_for_the_version(serve):
    _, client = serve((404, '{"message":"Not found","code":"NOT_FOUND"}'), (200, '"v0.25.1"'))
    with pytest.raises(DokployError, match=r"no deployment.readLogs: it is Dokploy v0.25.1; update"):
        client.get("deployment.readLogs", deploymentId="1")


def test_time_out():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = Server(f"http://127.0.0.1:{silent.getsockname()[1]}", KEY, timeout=0.2)
        with pytest.raises(DokployError, match=r"did not answer project\.create within 0\.2 s"):
            Client(server).post("project.create", name="x")


def test_an_answer_without_end_is_left(serve, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_ANSWER", 100_000)
    _, client = serve((200, '"' + "x" * 300_000 + '"'))
    with pytest.raises(DokployError, match=r"answer to project\.create is larger than 100,000 bytes"):
        client.post("project.create", name="x")


def test_a_packed_answer_is_not_unpacked(serve):
    server, client = serve((200, "{}", {"content-encoding": "gzip"}))
    with pytest.raises(DokployError, match=r"was answered packed \(gzip\), unasked"):
        client.post("project.create", name="x")
    assert server.requests[0][2]["accept-encoding"] == "identity"


def test_a_truncated_answer(serve):
    _, client = serve((200, "{}", {"content-length": 10_000}))
    with pytest.raises(DokployError, match=r"IncompleteRead\(.*\)\); check url"):
        client.post("project.create", name="x")


def test_the_key_is_in_no_message(serve):
    _, client = serve((400, json.dumps({"message": f"bad {KEY}", "code": "BAD_REQUEST", "data": {"path": "a.b"}})))
    with pytest.raises(DokployError, match=r"bad \[redacted\]"):
        client.get("a.b")


def test_plain_http_on_an_https_address(serve):
    server, _ = serve((200, "{}"))
    client = Client(Server(f"https://127.0.0.1:{server.server_port}", KEY, timeout=2))
    with pytest.raises(DokployError, match="speaks plain HTTP; use http://"):
        client.post("project.create", name="x")


@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
def test_a_certificate_that_no_one_trusts(serve, tmp_path):
    certificate = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    paths = ["-keyout", tmp_path / "key", "-out", tmp_path / "pem"]
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*argv, *certificate, *paths], check=True, capture_output=True)
    server, _ = serve((200, "[1]"), (200, "[2]"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem", tmp_path / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)

    def client(verify):
        return Client(Server(f"https://127.0.0.1:{server.server_port}", KEY, timeout=5, verify=verify))

    with pytest.raises(DokployError, match=r"is not trusted \(.*self.signed certificate.*\); set ca_path to its CA"):
        client(True).get("project.all")
    with pytest.raises(DokployError, match="ca_path cannot be used"):
        client(str(tmp_path / "nothing")).get("project.all")
    assert client(str(tmp_path / "pem")).get("project.all") == [1]
    assert client(False).get("project.all") == [2]


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        ("dokploy.example.com", "", "url must look like"),
        ("ftp://x", "", "url must look like"),
        ("https://u:p@x", "", "must not hold credentials"),
        ("https://x", "a\n", "api_key holds spaces"),
    ],
)
def test_connection_options(url, key, message):
    with pytest.raises(UserError, match=message):
        Server(url, key)


def test_the_address_may_end_as_it_likes():
    assert {Server(f"https://x{end}").base for end in ("", "/", "/api", "/api/")} == {"https://x/api"}


PAGE = b"<!doctype html><title>Welcome to nginx!</title>"
ZOD = {
    "message": '[{"code":"too_small"}]',
    "code": "BAD_REQUEST",
    "data": {"path": "domain.create", "zodError": {"fieldErrors": {"host": ["Too short"]}}},
}


@pytest.mark.parametrize(
    ("status", "kind", "body", "message"),
    [
        (200, "text/html", PAGE, "HTML page titled 'Welcome to nginx!'"),
        (502, "text/html", PAGE, "status 502"),
        (200, "text/plain", b"surprise", r"failed x.y \(200\): surprise"),
        (401, "application/json", b'{"message":"Unauthorized"}', "wrong, deleted or belongs .* rate limiting on"),
        (
            401,
            "application/json",
            b'{"message":"not this server","data":{"path":"x.y"}}',
            r"^api_key's owner may not call x.y \(401: not this server",
        ),
        (403, "application/json", b'{"message":"no"}', "api_key's owner may not call x.y"),
        (403, "application/json", b'{"code":"MISSING_OR_NULL_ORIGIN"}', r"^Dokploy refused x.y \(403 MISSING_OR_NULL"),
        (500, "application/json", json.dumps({"message": "line one\nDB_URL=x\n"}).encode(), r"\(500\): no explanation"),
        (
            500,
            "text/plain",
            b"a=1\nfatal: Remote branch x not found\nb=2",
            r"\(500\): fatal: Remote branch x not found$",
        ),
        (500, "application/json", b'{"message":"Failed query: insert into \\"a\\" params: v"}', "refused the values"),
        (500, "application/json", b"[" * 100_000, "no explanation"),
        (400, "application/json", b'{"message":["x"],"data":[1],"issues":{"a":1}}', r"\(400\): \['x'\]"),
        (413, "text/plain", b"", "too large"),
        (400, "application/json", json.dumps(ZOD).encode(), "host: Too short$"),
        (400, "text/plain", b"Unexpected token", "Unexpected token"),
        (500, "application/json", b"", "no explanation"),
    ],
)
def test_errors_are_one_sentence(status, kind, body, message):
    with pytest.raises(DokployError, match=message):
        read_answer("x.y", status, kind, body)


def test_an_unknown_row_is_not_a_missing_procedure():
    body = {"message": "Compose not found", "code": "NOT_FOUND", "data": {"path": "compose.one"}}
    with pytest.raises(DokployError, match="Compose not found") as error:
        read_answer("compose.one", 404, "application/json", json.dumps(body).encode())
    assert type(error.value) is DokployError
