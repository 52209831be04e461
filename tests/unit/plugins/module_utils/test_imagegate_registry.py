# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import contextlib
import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.login import challenges
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.reference import parse
from ansible_collections.sluice.deploy.plugins.module_utils.imagegate.registry import Registry
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.imagegate_samples import (
    digest,
    encoded,
    image_config,
    tar,
)

pytest.importorskip("requests", reason="the registry client needs requests")

PLAIN = [tar([("a", b"1" * 700)]), tar([("b", b"2" * 30)])]
STORED = [gzip.compress(data, mtime=0) for data in PLAIN]
TOKEN, PASSWORD = "issued-token", "synthetic-password"


def papers():
    """The content of a registry: an image for two platforms, by digest and by tag."""
    blobs, manifests, children = {digest(data): data for data in STORED}, {}, []
    for architecture in ("amd64", "arm64"):
        config = encoded({**image_config(PLAIN), "architecture": architecture})
        layers = [{"digest": digest(data), "size": len(data)} for data in STORED]
        manifest = encoded({"schemaVersion": 2, "config": {"digest": digest(config)}, "layers": layers})
        blobs[digest(config)], manifests[digest(manifest)] = config, manifest
        children.append({"digest": digest(manifest), "platform": {"os": "linux", "architecture": architecture}})
    attestation = {"digest": digest(b"{}"), "platform": {"os": "unknown", "architecture": "unknown"}}
    manifests["1.0"] = encoded({"schemaVersion": 2, "manifests": [*children, attestation]})
    manifests["single"] = manifests[children[0]["digest"]]
    manifests["bare"] = encoded({"schemaVersion": 2, "manifests": [{"digest": child["digest"]} for child in children]})
    manifests["none"] = encoded({"schemaVersion": 2, "manifests": [attestation]})
    nested = encoded({"schemaVersion": 2, "manifests": children})
    manifests[digest(nested)] = nested
    manifests["nested"] = encoded({"schemaVersion": 2, "manifests": [{"digest": digest(nested)}]})
    for depth in range(9):
        deeper = encoded({"schemaVersion": 2, "manifests": [{"digest": digest(nested)}], "depth": depth})
        manifests[digest(deeper)] = nested = deeper
    manifests["deep"] = nested
    chart = {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": digest(STORED[0])}
    manifests["chart"] = encoded({"schemaVersion": 2, "config": chart, "layers": []})
    manifests["old"] = encoded({"schemaVersion": 1})
    manifests["text"] = b"<html>"
    return blobs, manifests


class Handler(BaseHTTPRequestHandler):
    """A registry that behaves as its server's attribute `mood` says."""

    def do_GET(self):
        mood, path = self.server.mood, self.path.partition("?")[0]
        self.server.seen.append((path, self.headers.get("Authorization")))
        if path == "/token":
            if mood == "expires":
                self.server.token = f"token-{len(self.server.seen)}"
                return self.answer(200, encoded({"token": self.server.token}))
            return self.answer(200, encoded({"token": TOKEN}))
        if mood in (403, 429, 500):
            return self.answer(mood)
        if mood == "bearer" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            realm = f'Bearer realm="http://127.0.0.1:{self.server.server_port}/token",service="s"'
            return self.answer(401, challenge=realm)
        if mood == "elsewhere":
            return self.answer(401, challenge='Bearer realm="https://127.0.0.1:1/token",service="s"')
        if mood == "expires":
            if self.headers.get("Authorization") != f"Bearer {self.server.token}":
                realm = f'Basic realm="r", Bearer realm="http://127.0.0.1:{self.server.server_port}/token",service="s"'
                return self.answer(401, challenge=realm)
            if "/manifests/" in path:
                self.server.token = "ended"
        if mood == "drip":
            self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
            for _byte in range(60):
                self.wfile.write(b" ")
                time.sleep(0.1)
            return None
        if mood == "loop":
            return self.answer(307, location=self.path)
        if mood == "away" and "/blobs/" in path:
            return self.answer(307, location=f"http://localhost:{self.server.other}{self.path}")
        if mood == "squeezed":
            return self.answer(200, gzip.compress(b" " * 50_000_000 + b"{}"), encoding="gzip")
        if mood == "long":
            return self.answer(200, b" " * 6_000_000)
        if mood == "basic" and not self.headers.get("Authorization"):
            return self.answer(401, challenge='Basic realm="r"')
        kind, _slash, name = path.removeprefix("/v2/team/app/").partition("/")
        if (kind, name) == ("tags", "list"):
            return self.answer(200, encoded({"tags": ["1.0", "single"]}))
        body = self.server.papers[kind == "manifests"].get(name)
        if mood == "cut" and body in STORED:
            return self.answer(200, body[:-9])
        if mood == "other" and kind == "manifests" and body:
            body += b" "
        if mood == "config" and kind == "blobs" and body and body.startswith(b"{"):
            body += b" "
        return self.answer(200, body) if body else self.answer(404)

    def answer(self, status, body=b"", challenge="", location="", encoding=""):
        self.send_response(status)
        for name, value in (("WWW-Authenticate", challenge), ("Location", location), ("Content-Encoding", encoding)):
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.papers, server.seen, server.mood = papers(), [], ""
    server.token = ""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server():
    with serving() as server:
        yield server


def load(server, version="1.0", platform="linux/amd64", files=False, **options):
    registry = Registry({"registry_plain_http": True, "timeout": 10, **options})
    return registry.load(f"127.0.0.1:{server.server_port}/team/app:{version}", platform, files)


def test_a_manifest_tells_the_compressed_size_before_a_pull(server):
    (image,) = load(server)
    assert image.compressed == sum(map(len, STORED))
    assert image.unpacked is None
    assert not [path for path, _login in server.seen if digest(STORED[0]) in path]


def test_layers_are_streamed_when_their_files_matter(server):
    (image,) = load(server, files=True)
    assert image.unpacked == 730
    assert image.compressed == sum(map(len, STORED))


def test_every_platform_or_the_one_asked_for(server):
    assert [image.platform for image in load(server, platform="all")] == ["linux/amd64", "linux/arm64"]
    assert [image.platform for image in load(server, platform="linux/arm64")] == ["linux/arm64"]
    assert [image.platform for image in load(server, "single")] == ["linux/amd64"]


def test_a_token_is_fetched_once_and_used(server):
    server.mood = "bearer"
    load(server)
    assert [path for path, _login in server.seen].count("/token") == 1


def test_a_login_answers_a_challenge(server):
    server.mood = "basic"
    load(server, **logged_in(server))
    with pytest.raises(UserError, match="wants a login; set registry_username"):
        load(server)


def test_a_login_does_not_follow_a_challenge_to_another_scheme(server):
    server.mood = "elsewhere"
    with pytest.raises(UserError, match="refuses this login"):
        load(server, **logged_in(server))


def logged_in(server):
    host = f"127.0.0.1:{server.server_port}"
    return {"registry_host": host, "registry_username": "me", "registry_password": PASSWORD}


def test_a_login_is_told_to_its_own_registry_only(server):
    with serving() as stranger:
        stranger.mood = server.mood = "basic"
        registry = Registry({"registry_plain_http": True, "timeout": 10, **logged_in(server)})
        assert registry.load(f"127.0.0.1:{server.server_port}/team/app:1.0", "linux/amd64", False)
        with pytest.raises(UserError, match="wants a login"):
            registry.load(f"127.0.0.1:{stranger.server_port}/team/app:1.0", "linux/amd64", False)
        assert {login for _path, login in stranger.seen} == {None}


def test_a_login_for_images_of_several_registries_must_say_whose_it_is():
    login = {"registry_username": "me", "registry_password": PASSWORD}
    images = ["one.example.com/app", {"image": "app", "reference": "two.example.com/app"}]
    with pytest.raises(UserError, match=r"docker\.io, one\.example\.com, two\.example\.com; set registry_host"):
        Registry({"images": images, **login})


def test_a_redirect_to_another_host_is_followed_without_the_login(server):
    with serving() as other:
        server.mood, server.other = "away", other.server_port
        server.mood = "away"
        (image,) = load(server, files=True)
        assert image.unpacked == 730
        assert other.seen
        assert {login for _path, login in other.seen} == {None}


def test_a_token_that_ends_is_renewed_and_a_bearer_challenge_is_found_behind_a_basic_one(server):
    server.mood = "expires"
    (image,) = load(server, files=True)
    assert image.unpacked == 730
    assert [path for path, _login in server.seen].count("/token") > 1


def test_all_challenges_of_all_headers_are_read():
    found = challenges(['Basic realm="a, b", Bearer realm="https://x/?a=b",scope=c', "Negotiate"])
    assert found == [
        ("basic", {"realm": "a, b"}),
        ("bearer", {"realm": "https://x/?a=b", "scope": "c"}),
        ("negotiate", {}),
    ]


def test_an_index_that_tells_no_platforms_is_looked_through(server):
    assert [image.platform for image in load(server, "bare", "linux/arm64")] == ["linux/arm64"]
    assert [image.platform for image in load(server, "nested", "all")] == ["linux/amd64", "linux/arm64"]


@pytest.mark.parametrize(("mood", "says"), [("drip", "did not answer in time"), ("loop", "redirects without end")])
def test_no_registry_keeps_the_gate_waiting(server, mood, says):
    server.mood = mood
    began = time.monotonic()
    with pytest.raises(UserError, match=says):
        load(server, timeout=1)
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    ("mood", "version", "platform", "says"),
    [
        ("", "1.1", "linux/amd64", r"has no 127\S+/team/app:1.1; near tags: 1.0"),
        ("", "1.0", "linux/s390x", "not there for linux/s390x, only for linux/amd64, linux/arm64"),
        ("", "old", "linux/amd64", "manifest of an unknown form"),
        ("", "text", "linux/amd64", "no JSON object"),
        ("", "single", "linux/arm64", "not there for linux/arm64, only for linux/amd64; set platform"),
        ("", "none", "all", "names no image at all"),
        ("", "deep", "all", "nests or lists more indexes"),
        ("", "chart", "all", r"artifact \(application/vnd.cncf.helm.config"),
        ("config", "1.0", "linux/amd64", "with other content"),
        ("squeezed", "1.0", "linux/amd64", "no JSON object"),
        ("long", "1.0", "linux/amd64", "answers at no end"),
        (403, "1.0", "linux/amd64", r"wants a login.*\(403\)"),
        (429, "1.0", "linux/amd64", r"limits how often.*\(429\)"),
        (500, "1.0", "linux/amd64", "answered 500"),
        ("cut", "1.0", "linux/amd64", "cut short or damaged"),
        ("other", "1.0", "linux/amd64", "answered .* with other content"),
    ],
)
def test_what_goes_wrong_is_said_in_one_sentence(server, mood, version, platform, says):
    server.mood = mood
    with pytest.raises(UserError, match=says) as caught:
        load(server, version, platform, files=True)
    assert "\n" not in str(caught.value)


def test_a_registry_that_is_not_there():
    registry = Registry({"registry_plain_http": True, "timeout": 2})
    with pytest.raises(UserError, match=r"registry 127\.0\.0\.1:1 cannot be reached"):
        registry.load("127.0.0.1:1/app", "linux/amd64", False)


def test_plain_http_is_only_spoken_when_asked_for(server):
    with pytest.raises(UserError, match=r"certificate of registry .* is not trusted"):
        load(server, registry_plain_http=False)


@pytest.mark.parametrize(
    ("text", "complete", "address"),
    [
        ("nginx", "docker.io/library/nginx:latest", "registry-1.docker.io"),
        ("team/app:1", "docker.io/team/app:1", "registry-1.docker.io"),
        ("index.docker.io/team/app", "docker.io/team/app:latest", "registry-1.docker.io"),
        ("localhost/app", "localhost/app:latest", "localhost"),
        ("127.0.0.1:5000/team/app:1.2-rc", "127.0.0.1:5000/team/app:1.2-rc", "127.0.0.1:5000"),
        ("ghcr.io/a/b/c@sha256:" + "0" * 64, "ghcr.io/a/b/c@sha256:" + "0" * 64, "ghcr.io"),
        ("app:1@sha256:" + "0" * 64, "docker.io/library/app@sha256:" + "0" * 64, "registry-1.docker.io"),
    ],
)
def test_references_are_completed_as_docker_does(text, complete, address):
    reference = parse(text)
    assert (str(reference), reference.address) == (complete, address)


@pytest.mark.parametrize("text", ["", "http://x/y", "a b", "app:", "app@sha256:12", "/app", "app/", "../x"])
def test_what_is_no_reference(text):
    with pytest.raises(UserError, match="is not an image reference"):
        parse(text)
