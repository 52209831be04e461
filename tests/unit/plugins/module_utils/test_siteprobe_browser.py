"""The front page in a real Chromium, and the verdict on what one tells."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import BrowserError
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe import browser, devtools
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe.login import Login
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe.model import Target
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe.probe import Wishes, probe
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe.visit import Visit, address
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.siteprobe_server import DOMAIN, Authority

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
real = pytest.mark.skipif(not devtools.find(), reason="no Chromium is installed; on Debian: apt-get install chromium")
PASSWORD = "planted-preview-password"
HELLO = "<!doctype html><title>CRM</title><h1>Hello</h1>"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@contextlib.contextmanager
def site(authority, answers, heard=None):
    """Answers by path, each a body, or status, headers and body; {port} stands for the site's port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            if heard is not None:
                heard.append((self.headers["Host"], self.path, self.headers["Authorization"]))
            found = answers(self) if callable(answers) else answers.get(self.path, (404, {}, ""))
            status, headers, body = (200, {}, found) if isinstance(found, str) else found
            data = body.replace("{port}", str(self.server.server_port)).encode()
            self.send_response(status)
            kind = "text/javascript" if self.path.endswith(".js") else "text/html"
            for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            """A browser opens connections that it does not use."""

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue(names=(DOMAIN, "elsewhere.example")))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield Target(
            DOMAIN,
            resolve_to="127.0.0.1",
            https_port=server.server_port,
            http_port=server.server_port,
            ca_file=str(authority.file),
            timeout=5,
        )
    finally:
        server.shutdown()
        server.server_close()


def opened(target, wanted="auto"):
    (check,) = browser.check(target, "/", wanted)
    return check.result()


@real
def test_a_page_that_works_passes_and_is_pictured(authority):
    with site(authority, {"/": HELLO + "<script src=/a.js></script>", "/a.js": "0"}) as target:
        result = opened(target)
    assert result["status"] == "pass", result
    assert base64.b64decode(result["details"]["picture"])[:3] == b"\xff\xd8\xff"


CSP = {"Content-Security-Policy": "default-src 'self'"}


@real
@pytest.mark.parametrize(
    ("page", "status", "told"),
    [
        ((200, CSP, HELLO + "<script>document.title = 1</script>"), "fail", "blocked, script-src-elem: inline"),
        ((200, CSP, HELLO + "<h1 style='color: red'>"), "warn", "blocked, style-src-attr: inline"),
        (
            (200, {"Content-Security-Policy-Report-Only": "script-src 'self'"}, HELLO + "<script>0</script>"),
            "pass",
            "would be blocked, script-src-elem: inline",
        ),
        (HELLO + "<script src=/gone.js></script>", "fail", f"script: https://{DOMAIN}:PORT/gone.js answers 404"),
        (HELLO + "<script src=/page></script>", "fail", f"script: https://{DOMAIN}:PORT/page answers with a page"),
        (HELLO + "<img src=/gone.png?token=x>", "warn", f"image: https://{DOMAIN}:PORT/gone.png answers 404"),
        (HELLO + "<script>fetch('/me')</script>", "pass", f"fetch: https://{DOMAIN}:PORT/me answers 404"),
        (HELLO + "<script>null.x</script>", "warn", "exception: TypeError"),
        (HELLO + "<script>console.error('boo')</script>", "warn", "console: boo"),
        ("<!doctype html><div id=root></div>", "fail", "nothing is to be seen"),
        ((502, {}, ""), "fail", f"document: https://{DOMAIN}:PORT/ answers 502"),
    ],
)
def test_what_a_browser_meets_is_told(page, status, told, authority):
    with site(authority, {"/": page, "/page": HELLO}) as target:
        result = opened(target)
    assert result["status"] == status, result
    lines = "\n".join(result["evidence"]).replace(f":{target.https_port}/", ":PORT/")
    assert told in lines
    assert "token=x" not in lines


@real
def test_the_previews_password_goes_to_the_site_and_to_nobody_else(authority):
    heard = []

    def answer(request):
        if request.headers["Host"].startswith("elsewhere") or not request.headers["Authorization"]:
            return 401, {"WWW-Authenticate": 'Basic realm="x"'}, ""
        return HELLO + "<script src=https://elsewhere.example:{port}/a.js></script><img src=/b.png>"

    with site(authority, answer, heard) as closed:
        encoded = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
        target = dataclasses.replace(closed, aliases=("elsewhere.example",), authorization=f"Basic {encoded}")
        results = probe(Wishes(target, Login([], {}), front={"path": "/"}, browser="auto"))
    (result,) = [result for result in results if result["id"] == "site.browser"]
    assert any(host.startswith(DOMAIN) and given for host, _, given in heard)
    assert any(path == "/a.js" for _, path, _ in heard)
    assert not [path for host, path, given in heard if host.startswith("elsewhere") and given]
    assert PASSWORD not in json.dumps(results) and encoded not in json.dumps(results)
    assert result["status"] == "fail" and "answers 401" in result["evidence"][0], result


@real
def test_a_page_that_never_rests_and_never_ends_is_left_in_time(authority):
    def answer(request):
        if request.path == "/slow.js":
            time.sleep(10)
        return HELLO + "<script src=/slow.js></script><script>for(;;);</script>"

    with site(authority, answer) as target:
        began = time.monotonic()
        result = opened(dataclasses.replace(target, timeout=0.5))
    assert result["status"] == "fail" and "did not load to its end" in "".join(result["evidence"]), result
    assert time.monotonic() - began < 45


@pytest.mark.parametrize(
    ("wanted", "status", "told"),
    [("auto", "skip", "no Chromium is installed"), ("/no/chromium", "fail", "there is no /no/chromium")],
)
def test_without_a_browser_it_is_said(wanted, status, told, monkeypatch):
    monkeypatch.setattr(devtools, "COMMANDS", ())
    result = opened(Target(DOMAIN), wanted)
    assert result["status"] == status
    assert told in f"{result['evidence']}{result['measured']}"


def test_never_is_never():
    assert browser.check(Target(DOMAIN), "/", "never") == []


def test_a_browser_that_ends_by_itself_is_no_verdict_on_the_site(authority, tmp_path):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    tmp_path.chmod(0o755)
    with site(authority, {"/": HELLO}) as target, pytest.raises(BrowserError):
        browser._visit(target, "/", str(broken))


def test_a_page_that_tells_without_end_is_kept_in_bounds():
    visit = Visit((DOMAIN,))
    for number in range(10_000):
        asked = {"requestId": str(number), "type": "Image", "request": {"url": f"https://{DOMAIN}/{number}?s=1"}}
        visit.heed("Network.requestWillBeSent", asked)
        visit.heed("Network.responseReceived", {"requestId": str(number), "response": {"status": 404}})
        visit.heed("Runtime.consoleAPICalled", {"type": "error", "args": [{"value": "x" * 10_000 + str(number)}]})
    assert len(visit.requests) == 5000
    assert len(json.dumps(visit.faults)) < 20_000


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://a.example/b?token=x#y", "https://a.example/b"),
        ("https://user:secret@a.example/b", "https://a.example/b"),
        ("data:text/html,secret", "data"),
        ("http://[", "a malformed address"),
    ],
)
def test_an_address_is_told_without_what_may_be_a_secret(url, told):
    assert address(url) == told


@pytest.mark.parametrize(("disturbed", "status"), [(1, "pass"), (2, "pass"), (3, "skip")])
def test_a_network_that_changes_where_the_browser_runs_is_no_fault_of_the_site(monkeypatch, disturbed, status):
    """As where containers come and go beside it: Chromium ends all that it has under way."""
    tries = []

    class Chromium:
        def __init__(self, chromium, flags, deadline, heed):
            self.heed = heed

        def __enter__(self):
            tries.append(self)
            return self

        def __exit__(self, *_):
            pass

        def open_page(self):
            pass

        def tell(self, method, params):
            self.heed(
                "Network.requestWillBeSent", {"requestId": "1", "type": "Script", "request": {"url": "https://x/"}}
            )
            lost = {"requestId": "1", "errorText": "net::ERR_NETWORK_CHANGED"}
            self.heed("Network.loadingFailed" if len(tries) <= disturbed else "Network.loadingFinished", lost)
            self.heed("Page.loadEventFired", {})

        def wait(self, seconds):
            return False

        def call(self, method, params=None):
            answers = {"Runtime.evaluate": {"result": {"value": '{"text": 5, "drawn": 1}'}}}
            return answers.get(method, {"data": base64.b64encode(b"x").decode()})

    monkeypatch.setattr(browser, "Browser", Chromium)
    monkeypatch.setattr(browser, "find", lambda wanted: "chromium")
    monkeypatch.setattr(browser, "trusted_for_secrets", lambda target: "")
    monkeypatch.setattr(browser, "_flags", lambda target: [])
    (look,) = browser.check(Target(DOMAIN), "/", "auto")
    found = look.result()
    assert (found["status"], len(tries)) == (status, min(disturbed + 1, 3)), found
