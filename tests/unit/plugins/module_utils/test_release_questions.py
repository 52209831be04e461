"""What is asked of the engine over its socket, and how its answers are read."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import EngineError
from ansible_collections.sluice.deploy.plugins.module_utils.release.docker import Docker
from ansible_collections.sluice.deploy.plugins.module_utils.release.engine import Image


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers a path from a dictionary; what is not there, the engine does not have."""

    answers: dict[str, Any]
    asked: list[str]

    def do_GET(self) -> None:
        path = unquote(self.path)
        self.asked.append(path)
        found = self.answers.get(path.partition("?")[0])
        status, content = (404, {"message": "No such thing: x"}) if found is None else (200, found)
        if isinstance(found, int):
            status, content = found, {"message": "layer is corrupt"}
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Answering]]:
    handler = type("Handler", (Answering,), {"answers": {}, "asked": []})
    address = str(tmp_path / "docker.sock")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{address}")
    with socketserver.ThreadingUnixStreamServer(address, handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield handler
        server.shutdown()


@pytest.mark.parametrize(
    ("reference", "digests", "digest"),
    [
        ("postgres:16", ["postgres@sha256:aa"], "sha256:aa"),
        ("docker.io/library/postgres:16", ["postgres@sha256:aa"], "sha256:aa"),
        ("host:5000/a/b:1", ["other/b@sha256:cc", "host:5000/a/b@sha256:bb"], "sha256:bb"),
        ("postgres:16@sha256:aa", ["postgres@sha256:aa"], "sha256:aa"),
        ("local/app:1", [], ""),
        ("local/app:1", ["another/app@sha256:dd"], ""),
    ],
)
def test_an_image_is_known_by_its_own_registry_s_digest(
    engine: type[Answering], reference: str, digests: list[str], digest: str
) -> None:
    engine.answers[f"/images/{reference}/json"] = {
        "Id": "sha256:1",
        "RepoDigests": digests,
        "Config": {"User": "node"},
        "Size": 7,
    }
    image = Docker().image(reference)
    assert image is not None
    assert (image.id, image.user, image.size, image.digest) == ("sha256:1", "node", 7, digest)


def test_a_missing_image_is_none_and_other_trouble_is_not(engine: type[Answering]) -> None:
    assert Docker().image("x") is None
    engine.answers["/images/x/json"] = 500
    with pytest.raises(EngineError, match="layer is corrupt"):
        Docker().image("x")


def test_without_an_engine_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(EngineError, match=r"nobody\.sock: run the docker_host role, or see systemctl status docker"):
        Docker().start_interval()


def inspected(name: str, **changes: Any) -> dict[str, Any]:
    labels = {"com.docker.compose.service": "web"} | changes.pop("labels", {})
    state = {"Status": "running", "ExitCode": 0, "Health": {"Status": "healthy"}} | changes
    return {
        "Id": name,
        "Name": f"/{name}",
        "Image": "sha256:1",
        "RestartCount": 2,
        "State": state,
        "Config": {"Labels": labels},
        "NetworkSettings": {"Networks": {"crm": {"IPAddress": ""}, "edge": {"IPAddress": "10.0.0.2"}}},
    }


def test_containers_are_read_and_those_of_hooks_or_gone_left_out(engine: type[Answering]) -> None:
    engine.answers |= {
        "/containers/json": [{"Id": "a"}, {"Id": "b"}, {"Id": "vanished"}],
        "/containers/a/json": inspected("crm-blue-web"),
        "/containers/b/json": inspected("crm-blue-web-once", labels={"com.docker.compose.oneoff": "True"}),
    }
    (container,) = Docker().containers("crm-blue")
    assert (container.name, container.health, container.restarts, container.address) == (
        "crm-blue-web",
        "healthy",
        2,
        "10.0.0.2",
    )
    assert engine.asked[0] == ('/containers/json?all=1&filters={"label":+["com.docker.compose.project=crm-blue"]}')


def test_a_network_of_a_longer_name_is_another(engine: type[Answering]) -> None:
    engine.answers["/networks"] = [{"Name": "crm-old"}]
    assert not Docker().has_network("crm")
    engine.answers["/networks"].append({"Name": "crm"})
    assert Docker().has_network("crm")


def test_an_image_s_papers_are_as_it_would_write_them(engine: type[Answering]) -> None:
    engine.answers |= {
        "/images/sha256:1/history": [{"CreatedBy": "CMD x", "Size": 0}, {"CreatedBy": "RUN y", "Size": 5}],
        "/images/sha256:1/json": {"Config": {"Env": ["A=b"]}},
    }
    assert Docker().papers(Image("sha256:1", "x")) == {
        "config": {"Env": ["A=b"]},
        "history": [{"created_by": "RUN y", "Size": 5}, {"created_by": "CMD x", "Size": 0}],
    }


@pytest.mark.parametrize(
    ("drivers", "counts"),
    [
        ([["Backing Filesystem", "extfs"], ["odd"]], True),
        (None, True),
        ([["driver-type", "io.containerd.snapshotter.v1"]], False),
    ],
)
def test_an_engine_that_stores_as_containerd_counts_no_files(
    engine: type[Answering], drivers: Any, counts: bool
) -> None:
    engine.answers["/info"] = {"DriverStatus": drivers}
    assert Docker().counts_files() is counts


def test_an_image_that_is_not_there_cannot_be_saved(engine: type[Answering]) -> None:
    with pytest.raises(EngineError, match="No such thing"):
        list(Docker().archive(Image("sha256:1", "web:1")))


def test_a_volume_is_found_where_it_lies(engine: type[Answering]) -> None:
    assert Docker().volume_path("crm_storage") is None
    engine.answers["/volumes/crm_storage"] = {"Mountpoint": "/var/lib/docker/volumes/crm_storage/_data"}
    assert Docker().volume_path("crm_storage") == Path("/var/lib/docker/volumes/crm_storage/_data")


@pytest.mark.parametrize(("version", "fast"), [("1.43", False), ("1.44", True), ("1.51", True), ("2.0", True)])
def test_start_interval_needs_a_recent_engine(engine: type[Answering], version: str, fast: bool) -> None:
    engine.answers["/version"] = {"ApiVersion": version}
    assert Docker().start_interval() is fast


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"HTTP/1.1 200 OK\r\n\r\nrubbish", b"\xff\r\n", b""]
)
def test_an_engine_that_stops_in_the_middle_of_its_answer_is_an_engine_s_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    class Cut(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            self.wfile.write(said)

    address = str(tmp_path / "cut.sock")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{address}")
    with socketserver.UnixStreamServer(address, Cut) as server:
        threading.Thread(target=server.handle_request).start()
        with pytest.raises(EngineError):
            Docker().start_interval()
