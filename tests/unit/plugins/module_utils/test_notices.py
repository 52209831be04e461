"""Notices: nobody waits for them, targets that hang or are down keep no other from being told, no secret gets out."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.notices import sender, targets, tell

NOTICE = {
    "event": "release.failed",
    "stack": "crm",
    "host": "one",
    "at": "2026-03-01T10:00:00Z",
    "title": "The release failed",
    "text": "at step start",
}
SECRET = "planted-token"


class Target(BaseHTTPRequestHandler):
    """Keeps what it is sent; answers with the status that stands in the path."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers.get("Authorization"), json.loads(body)))
        status = int(self.path.strip("/").partition("/")[0] or 200)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if status == 302:
            self.send_header("Location", "/200/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    running: Any = ThreadingHTTPServer(("127.0.0.1", 0), Target)
    running.got, running.url = [], f"http://127.0.0.1:{running.server_port}"
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host that tells; its spool."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr(tell, "SETTINGS", tmp_path / "notify.json")
    monkeypatch.setattr(tell, "SPOOL", tmp_path / "notices")
    monkeypatch.setattr(tell, "_KNOWN", tmp_path / "known")
    (tmp_path / "notices").mkdir()
    (tmp_path / "notify.json").write_text('{"targets": []}')
    return tmp_path / "notices"


def events(spool: Path) -> list[str]:
    told = [json.loads(path.read_text()) for path in sorted(spool.iterdir())]
    for path in spool.iterdir():
        path.unlink()
    return [f"{notice['event']} {notice['title']}" for notice in told]


def test_what_is_told_waits_in_a_file_and_nobody_else(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tell.tell("release.done", "It serves\nnow", "text", "crm")
    assert events(host) == ["release.done It serves now"]
    monkeypatch.setattr(tell, "SPOOL", host / "gone")
    tell.tell("release.done", "It serves")
    tell.SETTINGS.unlink()
    tell.tell("release.done", "It serves")
    tell.tell_change("job", "The job x", ["trouble"])
    assert events(host) == []


def test_troubles_are_told_when_they_change(host: Path) -> None:
    for troubles in ([], ["a"], ["a"], ["a", "b"], [], []):
        tell.tell_change("job", "The job x", troubles, "crm")
    assert events(host) == ["job.failed The job x: trouble"] * 2 + ["job.well The job x: well again"]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"kind": "slack"}, {"text": "[one crm] The release failed\nat step start"}),
        ({"kind": "mattermost"}, {"text": "[one crm] The release failed\nat step start"}),
        (
            {"kind": "discord"},
            {"content": "[one crm] The release failed\nat step start", "allowed_mentions": {"parse": []}},
        ),
        (
            {"kind": "telegram", "token": SECRET, "chat": 7},
            {"chat_id": "7", "text": "[one crm] The release failed\nat step start"},
        ),
        (
            {"kind": "ntfy", "token": SECRET},
            {"topic": "hook", "title": "[one crm] The release failed", "message": "at step start", "priority": 4},
        ),
        ({"kind": "webhook", "token": SECRET}, NOTICE),
    ],
)
def test_each_kind_gets_what_it_takes(server: Any, target: dict[str, Any], expected: dict[str, Any]) -> None:
    (checked,) = targets.checked([{**target, "url": f"{server.url}/200/hook"}])
    assert targets.send(checked, NOTICE) == ""
    path, authorization, body = server.got[0]
    assert body == expected
    assert (authorization == f"Bearer {SECRET}") == (target["kind"] in ("ntfy", "webhook"))
    if target["kind"] == "telegram":
        assert path == f"/200/hook/bot{SECRET}/sendMessage"


def test_a_letter(server: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        said: list[str] = []

        def serve() -> None:
            peer, _address = listening.accept()
            with peer, peer.makefile("rwb", buffering=0) as stream:
                stream.write(b"220 here\r\n")
                within = False
                for row in stream:
                    line = row.decode().strip()
                    said.append(line)
                    if within and line != ".":
                        continue
                    answer = {"data": "354 go", "quit": "221 bye"}.get(line.lower(), "250 well")
                    within = line.lower() == "data"
                    stream.write(f"{answer}\r\n".encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        told = {"kind": "email", "host": "127.0.0.1", "port": listening.getsockname()[1], "tls": "none"}
        (target,) = targets.checked([{**told, "from": "crm@example.com", "to": "ops@example.com"}])
        assert targets.send(target, NOTICE) == ""
        thread.join(5)
    assert "rcpt TO:<ops@example.com>" in said
    assert "Subject: [one crm] The release failed" in said
    assert "at step start" in said


@pytest.mark.parametrize(("status", "reason"), [(302, "HTTP 302"), (404, "HTTP 404"), (500, "HTTP 500")])
def test_a_refusal_is_told_without_the_address(server: Any, status: int, reason: str) -> None:
    assert targets.send({"kind": "slack", "url": f"{server.url}/{status}/{SECRET}"}, NOTICE) == reason
    assert len(server.got) == 1


def test_one_that_hangs_and_one_that_is_down_keep_nobody_from_being_told(
    server: Any, host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging, socket.socket() as down:
        down.bind(("127.0.0.1", 0))
        urls = [
            f"http://127.0.0.1:{hanging.getsockname()[1]}/{SECRET}",
            f"http://127.0.0.1:{down.getsockname()[1]}/{SECRET}",
            f"{server.url}/200",
        ]
        wanted = [{"kind": "webhook", "url": url} for url in urls]
        tell.SETTINGS.write_text(json.dumps({"targets": [*wanted, {**wanted[2], "events": ["backup.*"]}]}))
        for event in ("release.started", "release.done"):
            tell.tell(event, "a title", "", "crm")
        begin = time.monotonic()
        sender.empty_spool(tell.SETTINGS, host, waits=(0, 0.1), longest=2)
        assert time.monotonic() - begin < 5
    assert [body["event"] for _, _, body in server.got] == ["release.started", "release.done"]
    assert list(host.iterdir()) == []
    said = capsys.readouterr().out
    assert "webhook (docker_host_notify[0]) was not told of release.started: it takes too long" in said
    assert "webhook (docker_host_notify[1]) was not told of release.done: ConnectionRefusedError" in said
    assert SECRET not in said


def test_targets_choose_by_event_and_stack() -> None:
    assert targets.wants({"events": ["*.failed"]}, NOTICE)
    assert not targets.wants({"events": ["job.*", "backup.*"]}, NOTICE)
    assert targets.wants({"stacks": ["crm"]}, NOTICE)
    assert not targets.wants({"stacks": ["wiki"]}, NOTICE)
    assert targets.wants({"stacks": ["wiki"]}, {**NOTICE, "stack": ""})


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("slack", "docker_host_notify[0]: expected a mapping"),
        ({"kind": "slak", "url": SECRET}, "docker_host_notify[0].kind: it is none of slack"),
        ({"kind": "slack", "uri": SECRET}, "slack has no key 'uri' (did you mean 'url'?)"),
        ({"kind": "telegram", "token": SECRET}, "docker_host_notify[0].chat is missing"),
        ({"kind": "slack", "url": SECRET}, "docker_host_notify[0].url: this is no address"),
        ({"kind": "email", "host": "a", "to": "b", "from": "c", "tls": "ssl"}, "docker_host_notify[0].tls: it is none"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(told: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        targets.checked([told])
    assert message in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_target_says_it_in_its_own_words(server: Any) -> None:
    words = {"title": "{stack}/{event}\n{{{title}}}", "text": "{at} {text}"}
    notice = {**NOTICE, "text": "at {step}"}
    for kind in ("slack", "webhook", "ntfy"):
        (target,) = targets.checked([{"kind": kind, "url": f"{server.url}/200/x", **words}])
        assert targets.send(target, notice) == ""
    title, text = "crm/release.failed {The release failed}", "2026-03-01T10:00:00Z at {step}"
    slack, webhook, ntfy = (body for _path, _token, body in server.got)
    assert slack == {"text": f"{title}\n{text}"}
    assert webhook == {**notice, "title": title, "text": text}
    assert (ntfy["title"], ntfy["message"]) == (title, text)


@pytest.mark.parametrize(
    ("key", "template", "said"),
    [
        ("title", "{titel}", "docker_host_notify[0].title: there is no field {titel} (did you mean 'title'?)"),
        ("text", "{text.__class__}", "docker_host_notify[0].text: there is no field {text.__class__}"),
        ("text", "{}", "there is no field {}"),
        ("text", "{text!r}", "there is no field {text}"),
        ("text", "{text", "docker_host_notify[0].text: expected a text with fields such as {title}"),
        ("title", 5, "docker_host_notify[0].title: expected a text"),
    ],
)
def test_a_template_with_a_field_that_there_is_not_is_refused(key: str, template: Any, said: str) -> None:
    with pytest.raises(UserError) as refused:
        targets.checked([{"kind": "slack", "url": "https://x.example", key: template}])
    assert said in str(refused.value)


def test_a_target_that_is_new_hears_of_what_is_wrong_now(host: Path, server: Any) -> None:
    tell.tell_change("job", "Job nightly", ["it failed"], stack="crm")
    tell.tell_change("verify", "Checks", ["the disk is full"])
    tell.tell_change("verify", "Checks", [])
    for path in host.iterdir():
        path.unlink()
    old, new = targets.checked([{"kind": "webhook", "url": f"{server.url}/200/{name}"} for name in ("old", "new")])
    settings = host.with_name("both.json")
    settings.write_text(json.dumps({"targets": [old, new]}))
    tell.tell_what_is_known([targets.identity(new)])
    sender.empty_spool(settings, host, waits=(0,), longest=5)
    ((path, _token, told),) = server.got
    assert path == "/200/new" and "only" not in told
    assert (told["event"], told["title"], told["text"]) == ("job.failed", "Job nightly: trouble", "it failed")
    # It is known still, and told to nobody else.
    tell.tell_change("job", "Job nightly", ["it failed"], stack="crm")
    assert not list(host.iterdir())
    tell.forget()
    tell.tell_change("job", "Job nightly", ["it failed"], stack="crm")
    assert len(list(host.iterdir())) == 1
