"""Sites that mean harm: none hangs the probe, ends it, or gets or tells a secret."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import itertools
import json
import socket
import threading
import time

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils import markup
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe import app, certificate, web, wire
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe.login import Login
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe.model import Check, Target
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe.probe import Wishes, probe
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.siteprobe_server import (
    DOMAIN,
    Authority,
    Site,
    tls_context,
)

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")

SECRET = "S3CRET-of-a-login"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@contextlib.contextmanager
def answering(certificates, pieces, pause=0.0):
    """A TLS server that sends these pieces to every request; certificates take turns. Yields port and requests."""
    listener = socket.create_server(("127.0.0.1", 0))
    contexts = itertools.chain(
        (tls_context(Site(), file) for file in certificates),
        itertools.repeat(tls_context(Site(), certificates[-1])),
    )
    requests = []

    def serve(plain, context):
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
            requests.append(connection.recv(65536))
            for piece in pieces():
                connection.sendall(piece)
                time.sleep(pause)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0], next(contexts)), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1], requests
    finally:
        listener.close()


def target(port, authority, **changes):
    given = Target(DOMAIN, resolve_to="127.0.0.1", https_port=port, http_port=port, ca_file=str(authority.file))
    return dataclasses.replace(given, timeout=0.3, **changes)


def result_of(look):
    return Check("x", "x", look).result()


@pytest.mark.parametrize(
    "pieces",
    [
        lambda: itertools.chain([HEAD % b"text/html" + b"Content-Length: 99999\r\n\r\n"], itertools.repeat(b"x")),
        lambda: itertools.chain([b"HTTP/1.1 200 OK\r\nX-A: "], itertools.repeat(b"x")),
        lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["slow body", "slow header", "endless 100"],
)
def test_an_answer_that_drips_ends_with_its_deadline(pieces, authority):
    with answering([authority.issue()], pieces, pause=0.05) as (port, _):
        began = time.monotonic()
        result = result_of(lambda: web.reachable(target(port, authority)))
        assert time.monotonic() - began < 3
    assert (result["status"], result["measured"]) == ("fail", "no answer in time")


def test_an_answer_without_end_is_cut(authority):
    many = b"HTTP/1.1 100 Continue\r\n\r\n" * 40_000
    with answering([authority.issue()], lambda: itertools.repeat(many)) as (port, _):
        result = result_of(lambda: web.reachable(dataclasses.replace(target(port, authority), timeout=20)))
    assert (result["status"], result["measured"]) == ("fail", "no proper HTTP answer (EndlessAnswer)")


@pytest.mark.parametrize(
    ("look", "head", "body"),
    [
        (lambda t: app._health(t, "/", {"a": 1}), b"application/json", b"[" * 200_000),
        (lambda t: app._health(t, "/", {"a.b": 1}), b"application/json", b'{"a":' * 200_000),
        (lambda t: app._front(t, {}, app.landing(t, "/")), b"text/html", b"<script src='//[x'></script>"),
        (lambda t: app._front(t, {}, app.landing(t, "/")), b"text/html", b"<![9"),
        (
            lambda t: app._front(t, {}, app.landing(t, "/")),
            b"text/html",
            b"<base href='http://['><script src='a.js'></script>",
        ),
        (lambda t: app._front(t, {}, app.landing(t, "/")), b"text/html", "<script src='/app-é.js'></script>".encode()),
    ],
)
def test_an_odd_answer_is_a_failed_check(look, head, body, authority):
    answer = (HEAD % head) + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    with answering([authority.issue()], lambda: [answer]) as (port, _):
        result = result_of(lambda: look(target(port, authority)))
    assert result["status"] == "fail" and "Error" not in str(result["measured"]), result


def test_a_negative_chunk_is_a_failed_check(authority):
    answer = HEAD % b"text/html" + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc"
    with answering([authority.issue()], lambda: [answer]) as (port, _):
        assert result_of(lambda: web.reachable(target(port, authority)))["status"] == "fail"


def test_a_malformed_location_leads_nowhere():
    headers = wire.Message()
    headers["Location"] = "http://["
    assert not web._welcomes(wire.Answer(302, headers, b""))


def test_a_certificate_that_cannot_be_read_is_called_malformed():
    with pytest.raises(UserError, match="certificate is malformed"):
        certificate.read(b"\x30\x03abc")


def test_a_path_is_asked_for_as_a_browser_does(authority):
    with answering([authority.issue()], lambda: [HEAD % b"text/html" + b"\r\n"]) as (port, requests):
        wire.fetch(target(port, authority), "/app-é b.js?a=%20&b=[1]")
    assert requests[0].startswith(b"GET /app-%C3%A9%20b.js?a=%20&b=[1] HTTP/1.1\r\n")


def test_the_previews_password_goes_over_no_certificate_that_was_not_checked(authority, tmp_path):
    own, foreign = authority.issue(), Authority(tmp_path).issue()
    answer = HEAD % b"text/html" + b"Content-Length: 0\r\n\r\n"
    # The one handshake that is judged beforehand is a good one; whatever comes then is not.
    with answering([own, foreign], lambda: [answer]) as (port, requests):
        given = target(port, authority, authorization="Basic dTpwYXNzd29yZA==")
        results = probe(Wishes(given, Login([], {}), front={"path": "/"}, rate_limit={"requests": 3}))
    assert not [request for request in requests if b"Authorization" in request]
    assert results[1]["measured"].startswith("the certificate is not accepted")


@pytest.mark.parametrize("end", ["\n", "\r\nX-B: c", "\u2028", "\x00"])
def test_a_secret_that_no_header_can_hold_is_told_by_its_headers_name(end, authority):
    step = {"path": "/", "query": "q", "headers": {"X-Key": "${key}"}, "token": "t"}
    with answering([authority.issue()], lambda: [HEAD % b"text/html" + b"\r\n"]) as (port, requests):
        results = probe(Wishes(target(port, authority), Login([step], {"key": SECRET + end})))
    login = next(result for result in results if result["id"] == "site.login")
    assert login["status"] == "fail" and "fills the header X-Key with a line break" in login["evidence"][0]
    assert SECRET not in json.dumps(results)
    assert not [request for request in requests if b"POST" in request]


def test_a_secret_that_the_site_repeats_is_redacted_everywhere(authority):
    answer = HEAD % b"application/json" + b'\r\n{"status": "%s", "odd": "\\ud800"}' % SECRET.encode()
    wanted = [{"path": "/a", "expect": {"status": "ok", "odd": ""}}]
    with answering([authority.issue()], lambda: [answer]) as (port, _):
        given = target(port, authority)
        results = probe(Wishes(given, Login([], {"key": SECRET}), health=wanted))
    told = json.dumps(results, ensure_ascii=False)
    assert SECRET not in told and "***" in told
    assert told.encode()


def test_what_an_exception_says_is_never_told():
    def look():
        raise ValueError(f"Invalid header value {SECRET!r}")

    result = result_of(look)
    assert result["status"] == "fail" and SECRET not in json.dumps(result)


@pytest.mark.parametrize(
    ("location", "status", "measured"),
    [
        ("/admin/", "pass", "page with script"),
        (f"https://{DOMAIN}/admin/", "pass", "page with script"),
        ("https://elsewhere.example/", "fail", "302 to https://elsewhere.example/, which is not of this site"),
        ("http://[", "fail", "302 to nowhere, which is not of this site"),
        ("/", "fail", "302, text/html at /"),
    ],
)
def test_a_front_that_redirects_is_judged_by_where_it_leads(location, status, measured, monkeypatch):
    def fetch(target, path, **_):
        headers = wire.Message()
        headers["Content-Type"] = "text/javascript" if path.endswith(".js") else "text/html"
        if path == "/":
            headers["Location"] = location
            return wire.Answer(302, headers, b"")
        return wire.Answer(200, headers, b"<script src='app.js'></script>")

    monkeypatch.setattr(app, "fetch", fetch)
    target = Target(DOMAIN)
    found = app._front(target, {"path": "/"}, app.landing(target, "/"))
    assert (found.status, found.measured) == (status, measured)


@pytest.mark.parametrize("piece", ["<a ", "<a x=", "<a/", "<!--", "<![", "</", "<a x='", "<a x=\"'", "<script>", "= "])
def test_a_page_is_read_in_time_that_grows_with_its_length_alone(piece):
    def seconds(length):
        began = time.process_time()
        list(markup.elements("<a b" + (piece * length)[:length]))
        return time.process_time() - began

    # html.parser takes some ten seconds for the smaller of the two, and sixteen times as long for the larger.
    assert seconds(20_000) < 0.5
    assert seconds(320_000) < 4


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<SCRIPT Src = 'a&amp;b.js' src=c>x<img></scripT ><img alt='>' src=d>", ["a&b.js", "d"]),
        ("<!-- <img src=a> --><!--><img src=b><textarea><img src=c></textarea>", ["b"]),
        ("<div title='<script src=a>'><img/src=b/c.png />", ["b/c.png"]),
        ("<a x='<img src=a>", []),
        ("1 < 2 <img src=a", ["a"]),
        ("<img src='&#" + "9" * 5000 + ";'>", ["\ufffd"]),
    ],
)
def test_elements_are_found_as_a_browser_finds_them(text, found):
    assert [given["src"] for _, given in markup.elements(text) if "src" in given] == found


def test_a_chunk_of_negative_length_is_no_proper_answer():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(HEAD % b"text/html" + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n")
        with pytest.raises(http.client.HTTPException):
            wire.exchange(ours, Target(DOMAIN, timeout=1), "/")
