from __future__ import annotations

import dataclasses
import email.message
import email.utils
import errno
import json
import re
import socket

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe import certificate as certificates
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe import (
    clock,
    encryption,
    guards,
    page,
    secureheaders,
    web,
    wire,
)
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe.login import Login
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe.model import Check, Once, Target
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe.probe import Wishes, probe
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.siteprobe_server import (
    DOMAIN,
    EMAIL,
    HEADERS,
    PASSWORD,
    TOKEN,
    Authority,
    Site,
    closed_port,
    open_port,
    served,
)

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")

QUERY = "mutation L($email: String!, $password: String!) { login(email: $email, password: $password) { accessToken } }"
# Neither DNS nor public logs know of a test's authority and address.
UNTOLD = {"site.dns", "tls.logged", "tls.caa"}
STEP = {
    "path": "/graphql",
    "query": QUERY,
    "variables": {"email": EMAIL, "password": "${password}"},
    "token": "data.login.accessToken",
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue()


def wishes(site, authority, **changes):
    target = Target(
        DOMAIN,
        resolve_to="127.0.0.1",
        https_port=site.https_port,
        http_port=site.http_port,
        ca_file=str(authority.file),
        timeout=3,
    )
    given = Wishes(
        target=target,
        login=Login([STEP], {"password": PASSWORD}),
        headers={name: f"^{value}$" for name, value in HEADERS.items()},
        health=[{"path": "/api/health", "expect": {"status": "ok", "info.db": "up"}}],
        front={"path": "/"},
        rate_limit={"path": "/limited", "requests": 20},
        closed_ports=[closed_port()],
    )
    return dataclasses.replace(given, **changes)


def statuses(results):
    return {result["id"]: result["status"] for result in results}


def all_of(status, results):
    return {id for id, found in statuses(results).items() if found == status}


def explain(results):
    return json.dumps([result for result in results if result["status"] != "pass"], indent=2)


def test_a_good_site_passes_every_check(authority, certificate):
    with served(Site(), certificate) as site:
        results = probe(wishes(site, authority))
    assert all_of("skip", results) == UNTOLD, explain(results)
    assert all_of("fail", results) | all_of("warn", results) == set(), explain(results)
    assert len(results) == 24


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("header", "site.headers"),
        ("redirect", "site.redirect"),
        ("foreign", "site.foreign_host"),
        ("health", "site.health.api_health"),
        ("script", "site.front"),
        ("origin_fixed", "site.origin"),
        ("origin_chosen", "site.origin"),
        ("login", "site.login"),
        ("unlimited", "site.rate_limit"),
        ("http1", "site.http2"),
        ("old_tls", "tls.protocols"),
        ("cipher", "tls.ciphers"),
    ],
)
def test_one_fault_fails_one_check(fault, check, authority, certificate):
    with served(Site(fault), certificate) as site:
        results = probe(wishes(site, authority))
    expected = {check} | ({"site.redirect"} if fault == "foreign" else set())
    assert all_of("fail", results) == expected, explain(results)
    assert all(result["advice"] for result in results if result["status"] == "fail"), explain(results)


def test_a_server_that_says_nothing_of_origins_is_not_judged_by_them(authority, certificate):
    with served(Site("origin_untold"), certificate) as site:
        results = probe(wishes(site, authority))
    assert all_of("skip", results) == UNTOLD | {"site.origin"}, explain(results)


def test_a_server_that_tells_its_version_is_a_warning(authority, certificate):
    with served(Site("version"), certificate) as site:
        results = probe(wishes(site, authority))
    assert (all_of("fail", results), all_of("warn", results)) == (set(), {"site.headers"}), explain(results)


@pytest.mark.parametrize(
    ("options", "check"),
    [
        ({"days": (-90, -2)}, "tls.expiry"),
        ({"days": (-85, 5)}, "tls.expiry"),
        ({"names": ("other.example.com",)}, "tls.names"),
        ({"weak": True}, "tls.key"),
    ],
)
def test_a_bad_certificate_fails_its_own_check(options, check, authority):
    with served(Site("key" if "weak" in options else ""), authority.issue(**options)) as site:
        results = probe(wishes(site, authority))
    assert all_of("fail", results) == {check}, explain(results)


def test_a_certificate_of_another_authority_is_not_trusted_and_gets_no_password(authority, tmp_path):
    with served(Site(), Authority(tmp_path).issue()) as site:
        results = probe(wishes(site, authority))
    assert all_of("fail", results) == {"tls.chain"}, explain(results)
    assert statuses(results)["site.login"] == "skip"
    assert site.bodies == []


@pytest.mark.parametrize("known", [True, False])
def test_a_previews_password_goes_to_the_trusted_site_alone_and_never_in_the_clear(
    known, authority, certificate, tmp_path
):
    with served(Site(), certificate if known else Authority(tmp_path).issue()) as site:
        given = wishes(site, authority)
        probe(dataclasses.replace(given, target=dataclasses.replace(given.target, authorization="Basic x")))
    assert set(site.authorizations) == ({(True, "Basic x")} if known else set())


def test_a_renewal_that_is_overdue_is_a_warning(authority):
    with served(Site(), authority.issue(days=(-75, 15))) as site:
        results = probe(wishes(site, authority))
    assert (all_of("fail", results), all_of("warn", results)) == (set(), {"tls.expiry"}), explain(results)


@pytest.mark.parametrize(
    ("seconds", "status", "measured"),
    [
        (0, "pass", "they agree"),
        (20, "warn", "20 s ahead"),
        (-21, "warn", "20 s behind"),
        (-7201, "fail", "7200 s behind"),
        (None, "skip", None),
    ],
)
def test_the_sites_clock_is_compared_with_the_controllers(seconds, status, measured, monkeypatch):
    now = 1_800_000_000.0
    headers = email.message.Message()
    headers["Date"] = "soon" if seconds is None else email.utils.formatdate(now + seconds, usegmt=True)
    monkeypatch.setattr(clock.time, "time", lambda: now)
    monkeypatch.setattr(clock, "fetch", lambda *_: wire.Answer(200, headers, b""))
    found = clock.look(Target("shop.test"))
    assert (found.status, found.measured) == (status, measured)
    assert bool(found.advice) == (status in ("warn", "fail"))


@pytest.mark.parametrize(("count", "advised"), [(0, True), (1, True), (2, False)])
def test_entries_in_public_logs_are_counted_as_advice(count, advised, authority):
    served = Once(lambda: certificates.read(authority.issued(logs=count)))
    found = encryption._logged(Target("shop.test"), served)
    assert (found.status, found.measured, bool(found.advice)) == ("pass", f"{count} in the certificate", advised)


@pytest.mark.parametrize(
    ("plain", "odd"),
    [("06072a8648ce3d0201", "06072a8648ce3d0209"), ("a003020102", "a003020142")],
    ids=["key", "version"],
)
def test_a_certificate_of_an_unknown_kind_is_named(plain, odd, authority):
    der = authority.issued(logs=0).replace(bytes.fromhex(plain), bytes.fromhex(odd))
    with pytest.raises(UserError, match="of a kind that cryptography does not know"):
        certificates.read(der)


def test_entries_of_a_certificate_that_cannot_be_read_are_no_pass():
    served = Once(lambda: certificates.read(b"no certificate"))
    assert Check("tls.logged", "", lambda: encryption._logged(Target("shop.test"), served)).result()["status"] == "fail"


def test_an_open_port_is_found(authority, certificate):
    with served(Site(), certificate) as site, open_port() as port:
        results = probe(wishes(site, authority, closed_ports=[port, closed_port()]))
    assert all_of("fail", results) == {"site.ports"}, explain(results)
    assert next(r for r in results if r["id"] == "site.ports")["measured"] == f"open: {port}"


def test_where_nothing_answers_one_check_fails_and_the_rest_say_why(authority):
    site = Site()
    site.https_port, site.http_port = closed_port(), closed_port()
    results = probe(wishes(site, authority))
    assert all_of("fail", results) == {"site.reachable"}
    assert next(r for r in results if r["id"] == "site.reachable")["measured"] == "connection refused"
    assert len(results) == 24
    assert {r["evidence"][0] for r in results if r["id"].startswith("tls.")} == {
        f"https://{DOMAIN}:{site.https_port} does not answer"
    }


def impatient(site, authority):
    asked = wishes(site, authority, health=[{"path": "/api/health"}], rate_limit={})
    return dataclasses.replace(asked, target=dataclasses.replace(asked.target, timeout=0.5))


def test_what_was_silent_while_all_was_asked_at_once_is_asked_again(authority, certificate):
    with served(Site("busy"), certificate) as site:
        results = probe(impatient(site, authority))
    health = next(r for r in results if r["id"] == "site.health.api_health")
    assert health["status"] == "pass" and health["evidence"][-1] == "answered in time only when asked again"
    assert all_of("fail", results) == set(), explain(results)


def test_a_path_that_stays_silent_fails_after_two_questions(authority, certificate):
    with served(Site("silent_health"), certificate) as site:
        results = probe(impatient(site, authority))
    health = next(r for r in results if r["id"] == "site.health.api_health")
    assert (health["status"], health["measured"], site.health_asked) == ("fail", "no answer in time", 2)


def test_no_burst_unless_asked_for(authority, certificate):
    with served(Site(), certificate) as site:
        results = probe(wishes(site, authority, rate_limit={"path": "/limited"}))
    assert statuses(results)["site.rate_limit"] == "skip"
    assert site.requests == 0


def test_a_burst_ends_with_the_first_429(authority, certificate):
    with served(Site(), certificate) as site:
        probe(wishes(site, authority, rate_limit={"path": "/limited", "requests": 500}))
    assert site.requests < 30


def test_a_login_of_two_steps(authority, certificate):
    second = {"path": "/second", "query": "x", "variables": {"first": "${token}"}, "token": "data.token"}
    login = Login([STEP, second], {"password": PASSWORD})
    with served(Site(), certificate) as site:
        results = probe(wishes(site, authority, login=login))
    assert statuses(results)["site.login"] == "pass", explain(results)
    assert login.tokens == [TOKEN, f"final-{TOKEN}"]
    assert json.loads(site.bodies[0])["variables"]["password"] == PASSWORD


@pytest.mark.parametrize("fault", ["", "login"])
def test_neither_password_nor_token_is_told(fault, authority, certificate):
    with served(Site(fault), certificate) as site:
        told = json.dumps(probe(wishes(site, authority)))
    for secret in (PASSWORD, json.dumps(PASSWORD)[1:-1], TOKEN):
        windows = {secret[i : i + 6] for i in range(len(secret) - 5)}
        assert not [window for window in windows if window in told]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variables": {"password": "${pasword}"}}, r"uses \$\{pasword\}, which login_secrets does not hold"),
        ({"variables": {"price": "5$"}}, "lone dollar sign"),
        ({"token": "data..token"}, "is no JMESPath"),
    ],
)
def test_a_mistake_in_the_login_is_named(change, message, authority, certificate):
    with served(Site(), certificate) as site:
        results = probe(wishes(site, authority, login=Login([{**STEP, **change}], {"password": PASSWORD})))
    (told,) = next(r for r in results if r["id"] == "site.login")["evidence"]
    assert re.search(message, told), told


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": Target("https://crm.example.com")}, "is not a domain name"),
        ({"target": Target("a" * 64 + ".com")}, "is not a domain name"),
        ({"target": Target(DOMAIN, resolve_to="server-1")}, "is not an IP address"),
        ({"headers": {"X-A": "("}}, "the expression for X-A is malformed"),
        ({"health": [{"path": "api"}]}, "does not begin with a slash"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_sent(changes, message, authority):
    with pytest.raises(UserError, match=message):
        probe(wishes(Site(), authority, **changes))


def test_an_unreadable_ca_file_is_named(authority, certificate, tmp_path):
    with served(Site(), certificate) as site:
        given = wishes(site, authority)
        results = probe(
            dataclasses.replace(given, target=dataclasses.replace(given.target, ca_file=str(tmp_path / "no")))
        )
    chain = next(r for r in results if r["id"] == "tls.chain")
    assert chain["status"] == "fail" and "cannot be read as PEM" in chain["evidence"][0]


@pytest.mark.parametrize(
    ("second", "status", "told"),
    [
        (("127.0.0.1",), "pass", []),
        (("127.0.0.1", "127.0.0.2"), "fail", [f"{DOMAIN} at 127.0.0.2: connection refused"]),
        (("127.0.0.1", "2001:db8::1"), "warn", [f"{DOMAIN} at 2001:db8::1: network is unreachable"]),
    ],
)
def test_each_address_of_a_name_is_judged(second, status, told, authority, certificate, monkeypatch):
    def getaddrinfo(name, port, **_):
        found = second if name == DOMAIN else (name,)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    def connect(connection, address):
        if ":" in address[0]:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        real.connect(connection, address)

    real = socket.socket
    monkeypatch.setattr(wire.socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(wire.socket, "socket", type("Socket", (real,), {"connect": connect}))
    with served(Site(), certificate) as site:
        given = wishes(site, authority)
        found = web._addresses(dataclasses.replace(given.target, resolve_to=""))
    assert (found.status, list(found.evidence)) == (status, told)


def test_an_address_that_does_not_lead_to_https_is_named(authority, certificate, monkeypatch):
    monkeypatch.setattr(web, "lookup", lambda name, port: [(socket.AF_INET, ("127.0.0.1", port))])
    with served(Site("redirect"), certificate) as site:
        given = wishes(site, authority)
        found = web._addresses(dataclasses.replace(given.target, resolve_to=""))
    assert found.status == "fail" and "at 127.0.0.1: HTTP does not lead to HTTPS" in found.evidence[0]


def test_cookies_are_judged_by_their_flags_and_told_by_their_names():
    value = "the-session-of-someone"
    good = [f"sid={value}; Path=/; Secure; HttpOnly; SameSite=Lax", f"theme={value}; secure"]
    assert page.cookie_faults(good) == []
    bad = [f"sid={value}; Path=/secure; HttpOnly; samesite=none", f"PHPSESSID={value}; Secure", f"a={value}"]
    assert page.cookie_faults(bad) == [
        "sid: without Secure SameSite=None is refused",
        "PHPSESSID: without HttpOnly any script of the page reads it",
        "PHPSESSID: without SameSite some browsers send it along from foreign pages",
        "a: without Secure it is sent over HTTP as well",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "<script src=http://a/b.js></script><img src=HTTP://a/c.png>",
            (["script: http://a/b.js"], ["img: HTTP://a/c.png"]),
        ),
        ("<link rel='Stylesheet' href='http://a/b.css'>", (["link: http://a/b.css"], [])),
        ("<link rel=canonical href=http://a/><a href=http://a/>x</a><script src=//a/b.js></script>", ([], [])),
        ("<script src></script><![9", ([], [])),
    ],
)
def test_what_a_page_loads_without_encryption(text, found):
    assert page.plain_loads(text) == found


def test_cookies_and_mixed_content_of_a_front_page(authority, certificate):
    with served(Site("careless"), certificate) as site:
        results = probe(wishes(site, authority))
    assert all_of("fail", results) == {"site.mixed_content"}, explain(results)
    assert all_of("warn", results) == {"site.cookies"}, explain(results)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("max-age=63072000; includeSubDomains; preload", "ready"),
        ('max-age="31536000" ;PRELOAD;includesubdomains', "ready"),
        ("max-age=63072000", "lacks includesubdomains, preload;"),
        ("max-age=-1; includeSubDomains; preload", "lacks max-age=31536000;"),
        (f"max-age={'9' * 5000}", "lacks max-age=31536000, includesubdomains, preload;"),
    ],
)
def test_what_a_header_lacks_for_the_preload_list(value, told):
    assert secureheaders.preload_gap(value).startswith(told)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, "fail"),
        ({"Content-Security-Policy-Report-Only": "default-src 'self'"}, "warn"),
        ({"Content-Security-Policy": "default-src 'self'"}, "pass"),
    ],
)
def test_a_policy_that_is_only_tried_out_is_on_its_way(monkeypatch, sent, status):
    headers = email.message.Message()
    for name, value in sent.items():
        headers[name] = value
    monkeypatch.setattr(secureheaders, "fetch", lambda *_: wire.Answer(200, headers, b""))
    assert secureheaders.look(Target("shop.test"), {"Content-Security-Policy": "default-src"}).status == status


def test_the_advice_on_headers_names_the_collection_s_settings(monkeypatch):
    monkeypatch.setattr(secureheaders, "fetch", lambda *_: wire.Answer(200, email.message.Message(), b""))
    (policy,) = secureheaders.look(Target("shop.test"), {"Content-Security-Policy": "."}).advice
    assert "nginx_certbot_csp_mode" in policy
    both = secureheaders.look(Target("shop.test"), {"Content-Security-Policy": ".", "X-Frame-Options": "."}).advice
    assert both[0] == policy and "nginx_certbot_security_headers" in both[1]


def test_what_was_not_measured_is_not_green(authority, certificate):
    with served(Site("down"), certificate) as site:
        results = statuses(probe(wishes(site, authority, headers={})))
    unmeasured = ("site.speed", "site.cookies", "site.mixed_content", "site.headers")
    assert {results[id] for id in unmeasured} == {"skip"}


def test_a_port_that_cannot_be_asked_is_not_closed(authority, certificate, monkeypatch):
    def dial(target, port):
        raise OSError(errno.EMFILE, "Too many open files")

    with served(Site(), certificate) as site:
        monkeypatch.setattr(guards, "dial", dial)
        results = probe(wishes(site, authority))
    assert "site.ports" in all_of("fail", results)


def test_what_several_checks_need_is_asked_once_and_fails_for_each():
    asked = []

    def ask():
        asked.append(1)
        raise ConnectionResetError

    once = Once(ask)
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            once()
    assert asked == [1]
