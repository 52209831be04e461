from __future__ import annotations

import contextlib
import socket
import struct
import threading

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import NameServerError
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe import caa, nameserver
from ansible_collections.sluice.deploy.plugins.module_utils.siteprobe.model import Check, Target

KIND = 257
SITE = "crm.example.com"


def caa_data(tag, value, flags=0):
    return bytes([flags, len(tag)]) + tag.encode() + value.encode()


def answer(question, records, flags=0x8180):
    """The question's own bytes, and records whose names point to it."""
    told = question[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + question[12 : -len(b"\0" * 11)]
    return told + b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data for kind, data in records)


@contextlib.contextmanager
def name_server(monkeypatch, reply):
    """A name server on loopback; `reply` makes an answer of the name and the question, None for silence."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(0.05)
        done = threading.Event()

        def serve():
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    question, peer = listener.recvfrom(4096)
                    told = reply(nameserver._name(question, 12)[0], question)
                    if told is not None:
                        listener.sendto(told, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setattr(nameserver, "servers", lambda: ["127.0.0.1"])
        real = nameserver._ask
        port = listener.getsockname()[1]
        monkeypatch.setattr(nameserver, "_ask", lambda server, _, *rest: real(server, port, *rest))
        yield
        done.set()
        thread.join()


def look(zone, monkeypatch, authority="O=Let's Encrypt", aliases=(), **changes):
    def reply(name, question):
        if zone is None:
            return None
        return answer(question, [(KIND, caa_data(*record)) for record in zone.get(name, ())])

    facts = type("Facts", (), {"authority": authority})
    target = Target(SITE, aliases=aliases, timeout=0.5, **changes)
    with name_server(monkeypatch, reply):
        return Check("tls.caa", "", lambda: caa.look(target, lambda: facts)).result()


@pytest.mark.parametrize(
    ("zone", "status", "measured"),
    [
        ({}, "pass", "any CA may"),
        ({"example.com": [("issue", "letsencrypt.org")]}, "pass", "allowed"),
        ({"example.com": [("issue", "LetsEncrypt.org; validationmethods=http-01")]}, "pass", "allowed"),
        ({"com": [("issue", ";")], SITE: [("issue", "letsencrypt.org")]}, "pass", "allowed"),
        ({SITE: [("iodef", "mailto:a@example.com")]}, "pass", "any CA may"),
        ({"example.com": [("issuewild", ";")]}, "pass", "any CA may"),
        ({"com": [("issue", ";")]}, "fail", f"{SITE}: refused"),
        (
            {"example.com": [("issue", "letsencrypt.org")], SITE: [("issue", "digicert.com")]},
            "fail",
            f"{SITE}: refused",
        ),
        ({SITE: [("issue", "letsencrypt.org"), ("tbs", "x", 0x80)]}, "fail", f"{SITE}: refused"),
    ],
)
def test_the_nearest_records_say_whether_the_ca_may_issue(zone, status, measured, monkeypatch):
    found = look(zone, monkeypatch)
    assert (found["status"], found["measured"]) == (status, measured), found
    assert ("letsencrypt.org" in "".join(found["advice"])) == (status == "fail")


def test_each_of_the_names_is_asked_for(monkeypatch):
    found = look({"www.shop.test": [("issue", "pki.goog")]}, monkeypatch, aliases=("www.shop.test",))
    assert (found["status"], found["measured"]) == ("fail", "www.shop.test: refused")
    assert found["evidence"] == ["www.shop.test: issue 'pki.goog'"]


def test_records_of_an_issuer_that_is_not_known_are_told_and_not_judged(monkeypatch):
    found = look({SITE: [("issue", "ca.example.org")]}, monkeypatch, authority="Our own")
    assert found["status"] == "skip" and "Our own is not known here" in found["evidence"][1]


@pytest.mark.parametrize(
    ("zone", "changes", "why"),
    [
        (None, {}, "127.0.0.1: no answer in time"),
        ({}, {"resolve_to": "127.0.0.1"}, "resolve_to is set"),
        ({}, {"ca_file": "/ca.pem"}, "a private authority"),
        ({SITE: [("", "x")]}, {}, "a CAA record is malformed"),
    ],
)
def test_what_nobody_tells_is_skipped_with_the_reason(zone, changes, why, monkeypatch):
    found = look(zone, monkeypatch, **changes)
    assert found["status"] == "skip" and why in found["evidence"][0], found


QUESTION = nameserver.question(7, SITE, KIND)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", "malformed"),
        (answer(QUESTION, [(KIND, b"\0\5issue;")])[:-3], "cut short"),
        (answer(QUESTION, [], 0x8182), "error 2"),
        (answer(QUESTION, [], 0x8380), "too long"),
        (answer(nameserver.question(7, "other.test", KIND), []), "another question"),
        (QUESTION, "another question"),
        (QUESTION[:2] + struct.pack(">HHHHH", 0x8180, 1, 0, 0, 0) + b"\xc0\x0c", "malformed"),
    ],
)
def test_an_answer_that_cannot_be_used_is_no_answer(message, why):
    with pytest.raises(NameServerError, match=why):
        nameserver.answers(message, SITE, KIND)


def test_a_name_that_is_not_there_has_no_records_and_an_alias_has_those_it_leads_to():
    assert nameserver.answers(answer(QUESTION, [], 0x8183), SITE, KIND) == []
    led = answer(QUESTION, [(5, b"\xc0\x0c"), (KIND, caa_data("issue", ";"))])
    assert nameserver.answers(led, SITE, KIND) == [caa_data("issue", ";")]


def test_an_answer_with_another_number_is_waited_out(monkeypatch):
    def reply(name, question):
        return bytes([question[0] ^ 1]) + answer(question, [])[1:]

    with name_server(monkeypatch, reply), pytest.raises(NameServerError, match="no answer in time"):
        nameserver.ask(SITE, KIND, 0.2)


def test_the_name_servers_are_those_of_the_system(tmp_path):
    (tmp_path / "resolv.conf").write_text("search a\nnameserver 192.0.2.1\nnameserver\nnameserver 2001:db8::1 # x\n")
    assert nameserver.servers(tmp_path / "resolv.conf") == ["192.0.2.1", "2001:db8::1"]
    assert nameserver.servers(tmp_path / "no") == ["127.0.0.1"]
