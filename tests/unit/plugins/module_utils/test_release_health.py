"""When a service works, when it never will, and that a crash is noticed whenever it comes."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import EdgeError, EngineError, StepError
from ansible_collections.sluice.deploy.plugins.module_utils.release import checks, health
from ansible_collections.sluice.deploy.plugins.module_utils.release import module as conducting
from ansible_collections.sluice.deploy.plugins.module_utils.release.engine import Container, Project
from ansible_collections.sluice.deploy.plugins.module_utils.release.module import failure
from ansible_collections.sluice.deploy.plugins.module_utils.release.release import release
from ansible_collections.sluice.deploy.plugins.module_utils.release.run import Run
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Health, Service
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    FakeEngine,
    World,
    description,
    run_in,
)

STARTING = Container("1", "crm-blue-web", "web", "running", "starting", 0, 0, "127.0.0.1", "")


@pytest.mark.parametrize(
    ("health_of", "seen", "up_for", "is_ready"),
    [
        (Health(path="/"), STARTING, 0, True),
        (Health(path="/gone"), STARTING, 0, False),
        (Health(path="/gone"), replace(STARTING, health="healthy"), 0, True),
        (Health(path="/", command=("check",)), STARTING, 0, False),
        (Health(path="/"), replace(STARTING, state="created"), 0, False),
        (None, replace(STARTING, health=""), 1.9, False),
        (None, replace(STARTING, health=""), 2, True),
    ],
)
def test_ready(
    monkeypatch: pytest.MonkeyPatch, health_of: Health | None, seen: Container, up_for: float, is_ready: bool
) -> None:
    monkeypatch.setattr(health, "answers", lambda service, asked, container, host: (asked.path == "/", ""))
    assert health.ready(Service(name="web", port=1, health=health_of), seen, up_for) is is_ready


def test_a_crash_after_its_wait_and_before_the_switch_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs again by then, and so looks well: only its count of restarts tells."""
    world = World()
    for reference in ("web:1", "db:1"):
        FakeEngine(world).add_image(reference)

    def crash_meanwhile(run: Run, project: Project) -> list[object]:
        crashed = world.containers["crm-blue-web"]
        world.containers["crm-blue-web"] = replace(crashed, restarts=1)
        return []

    monkeypatch.setattr(checks, "release_gates", crash_meanwhile)
    with pytest.raises(StepError, match="service web crashed") as caught:
        release(run_in(world, tmp_path, description("1")))
    assert caught.value.step == "gates"
    assert world.edge is None


@pytest.mark.parametrize(
    ("state", "said"),
    [("restarting", "crashed with status 3 and was restarted"), ("running", "crashed and was restarted")],
)
def test_the_status_of_a_crash_is_told_as_long_as_the_engine_knows_it(state: str, said: str) -> None:
    seen = Container("1", "crm-blue-web", "web", state, "", 0 if state == "running" else 3, 1, "", "web:1")
    assert health.trouble(Service(name="web"), seen) == f"service web {said}"


def test_a_full_disk_does_not_silence_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ansible_collections.sluice.deploy.plugins.module_utils.release.module.write_whole", full)
    run = run_in(World(), tmp_path, description("1"))
    error = StepError("the database cannot be dumped: no space", "pg_dump said so")
    error.step = "dump"
    text = failure(run, error, "release")
    assert text.startswith("The release failed at step dump: the database cannot be dumped: no space.")
    assert "pg_dump said so" in text
    assert "More:" not in text
    assert text.splitlines()[-1].startswith("Next: ")


@pytest.mark.parametrize(
    ("meanwhile", "told"),
    [
        ("", "Release ID serves as before."),
        ("edge None", "No release serves, and release ID, which is on record, gets no requests."),
        ("edge green", "The edge sends requests to green, and on record is release ID as blue."),
        ("database", "The edge sends requests to release ID, of which db does not run."),
        ("silence", "What serves is not known: the edge does not say."),
    ],
)
def test_a_failure_says_of_what_serves_what_the_edge_says(tmp_path: Path, meanwhile: str, told: str) -> None:
    world = World()
    for reference in ("web:1", "db:1"):
        FakeEngine(world).add_image(reference)
    run = run_in(world, tmp_path, description("1"))
    serving = release(run).release
    if meanwhile.startswith("edge"):
        world.edge = "green" if meanwhile.endswith("green") else None
    elif meanwhile == "database":
        world.containers["crm-db"] = replace(world.containers["crm-db"], state="restarting")
    elif meanwhile == "silence":
        world.break_at, world.breaks = 0, EdgeError
    assert failure(run, StepError("x"), "restore").splitlines()[1] == told.replace("ID", serving)


def test_before_the_first_release_a_failure_says_that_none_serves(tmp_path: Path) -> None:
    said = failure(run_in(World(), tmp_path, description("1")), StepError("x."), "release").splitlines()
    assert said[0].endswith(": x.") and not said[0].endswith("..")
    assert said[1] == "No release serves."


def test_a_first_release_that_left_a_database_is_told_how_to_start_over(tmp_path: Path) -> None:
    world = World()
    for reference in ("web:1", "db:1"):
        FakeEngine(world).add_image(reference)
    world.hook_status = 1
    run = run_in(world, tmp_path, description("1"))
    with pytest.raises(StepError) as caught:
        release(run)
    assert "playbooks/remove.yml with compose_stack_remove_data=crm" in failure(run, caught.value, "release")


def answering(answer: Callable[[socket.socket], None]) -> int:
    """The port of a server that gives one connection this answer."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening, listening.accept()[0] as connection:
            connection.recv(65536)
            try:
                answer(connection)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    port: int = listening.getsockname()[1]
    return port


def drip(connection: socket.socket) -> None:
    while True:
        connection.send(b"H")
        time.sleep(0.05)


def flood(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


@pytest.mark.parametrize(
    "answer",
    [
        drip,
        flood,
        lambda connection: time.sleep(3),
        lambda connection: None,
        lambda connection: connection.sendall(b"\xff\xfe\r\n"),
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut"),
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\ncut"),
        lambda connection: connection.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\ncut"
        ),
    ],
    ids=["drips", "flood of 100", "silence", "closed", "rubbish", "cut off", "huge", "huge chunk"],
)
def test_no_answer_keeps_a_release_waiting(answer: Callable[[socket.socket], None]) -> None:
    begin = time.monotonic()
    service = Service(name="web", port=answering(answer))
    works, seen = health.answers(service, Health(path="/", timeout=1), STARTING)
    assert (works, seen[:9]) == (False, "no answer")
    assert time.monotonic() - begin < 2


@pytest.mark.parametrize(
    ("head", "works", "seen"),
    [
        ("204 No Content", True, "status 204"),
        ("301 Moved\r\nLocation: /login", False, "status 301, a redirect to /login"),
        ("400 Bad Request", False, "status 400"),
    ],
)
def test_a_redirect_is_no_answer_of_the_page(head: str, works: bool, seen: str) -> None:
    port = answering(lambda connection: connection.sendall(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n".encode()))
    assert health.answers(Service(name="web", port=port), Health(path="/"), STARTING) == (works, seen)


def test_a_request_names_the_site_and_its_scheme() -> None:
    heard = {}

    class Heard(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.update(self.headers, path=self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Heard) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        service = Service(name="web", port=server.server_port)
        assert health.answers(service, Health(path="/zdraví?a=b"), STARTING, "crm.example.com")[0]
    assert heard["Host"] == "crm.example.com"
    assert heard["X-Forwarded-Proto"] == "https"
    assert heard["path"] == "/zdrav%C3%AD?a=b"


def test_a_health_failure_tells_the_check_s_last_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_in(World(), tmp_path, description("1"))
    monkeypatch.setattr(health, "answers", lambda *arguments: (False, "status 403"))
    monkeypatch.setattr(run.engine, "containers", lambda project: [replace(STARTING, health="unhealthy")])
    service = Service(name="web", port=80, health=Health(path="/up"))
    with pytest.raises(StepError, match="is unhealthy: its health check fails; GET /up on port 80 gives status 403"):
        health.wait_healthy(run, Project("crm-blue", tmp_path), [service], {})


def test_an_engine_without_a_log_leaves_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_in(World(), tmp_path, description("1"))

    def silent(*arguments: object) -> str:
        raise EngineError("docker logs did not end within 60 s")

    monkeypatch.setattr(run.engine, "logs", silent)
    monkeypatch.setattr(run.engine, "containers", lambda project: [replace(STARTING, state="exited", exit_code=3)])
    with pytest.raises(StepError, match="service web exited with status 3"):
        health.wait_healthy(run, Project("crm-blue", tmp_path), [Service(name="web")], {})


@pytest.mark.parametrize(
    ("said", "dropped", "told"),
    [
        ("mkdir: cannot create directory 'x': Permission denied", ("ALL",), True),
        ("chown: changing ownership: Operation not permitted", ("ALL",), True),
        ("listening", ("ALL",), False),
        ("Operation not permitted", (), False),
    ],
)
def test_an_app_that_lacks_capabilities_is_told_which_setting_gives_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, dropped: tuple[str, ...], told: bool
) -> None:
    run = run_in(World(), tmp_path, description("1"))
    monkeypatch.setattr(run.engine, "logs", lambda container, lines: said)
    monkeypatch.setattr(run.engine, "containers", lambda project: [replace(STARTING, state="exited", exit_code=1)])
    with pytest.raises(StepError) as caught:
        health.wait_healthy(run, Project("crm-blue", tmp_path), [Service(name="web", cap_drop=dropped)], {})
    assert ("stack_services.web.cap_add: [CHOWN" in caught.value.advice) is told


def test_no_part_of_a_failure_moves_the_terminal(tmp_path: Path) -> None:
    run = run_in(World(), tmp_path, description("1"))
    run.notes.append("note\x1b[2J")
    text = failure(run, StepError("cause\x1b[2J", "log\x1b]0;x\x07", "advice\x1b[2J"), "release")
    assert "\x1b" not in text and all(word in text for word in ("note", "cause", "log", "advice"))


def test_a_log_s_tail_shows_no_secret_that_an_app_made_for_itself(tmp_path: Path) -> None:
    run = run_in(World(), tmp_path, description("1"))
    words = [
        "[Note] [Entrypoint]: GENERATED ROOT PASSWORD: x7Kp2mQz9LwR4tVb8NcY",
        "connecting to postgres://app:hunter2pass@db/x with password=Abcdef1234567Zz",
        "-----BEGIN PRIVATE KEY-----",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
        "-----END PRIVATE KEY-----",
        "ready for connections",
    ]
    text = failure(run, StepError("x", "\n".join(words)), "release")
    assert "GENERATED ROOT PASSWORD: [20 characters]" in text and "ready for connections" in text
    kept = (run.state.directory / "failed.log").read_text()
    for secret in ("x7Kp2mQz9LwR4tVb8NcY", "hunter2pass", "Abcdef1234567Zz", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"):
        assert secret not in text + kept


def test_what_could_not_begin_is_told_with_one_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        params: dict[str, object] = {}
        check_mode = False

        def fail_json(self, msg: str) -> None:
            raise SystemExit(msg)

    def refused(*given: object) -> None:
        raise EngineError("the engine said no.")

    monkeypatch.setattr(conducting, "run_for", refused)
    with pytest.raises(SystemExit, match=r"^The release could not begin: the engine said no\.\nNext: "):
        conducting.conduct(Module(), "release", lambda: None, lambda run: {})
