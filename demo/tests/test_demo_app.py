# Copyright (c) 2026 The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The demo app as a deployment sees it: real PostgreSQL and Redis, read-only containers, each way to break.

Run: pytest demo/tests (needs Docker; makes and removes a Compose project of its own).
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = "1"
AWKWARD = " #$'\"\\@/%:{{ü}}"
PROJECT = f"sluice-app-{os.getpid()}"
ADMIN = "admin@demo.example"


def docker(*argv: str, check: bool = True, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["docker", *argv], capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}, cwd=ROOT
    )
    assert not check or done.returncode == 0, f"docker {' '.join(argv)}\n{done.stdout}\n{done.stderr}"
    return done


class Stack:
    """One Compose project of the demo app."""

    def __init__(self, directory: Path) -> None:
        self.admin_password = secrets.token_hex(8) + AWKWARD
        pg_password = secrets.token_hex(8) + AWKWARD
        self.app_secret = secrets.token_hex(16) + AWKWARD
        quoted = urllib.parse.quote(pg_password, safe="")
        directory.chmod(0o700)
        for name, value in {
            "pg_password": pg_password,
            "pg_database_url": f"postgres://twenty:{quoted}@postgres:5432/twenty",
            "app_secret": self.app_secret,
            "admin_password": self.admin_password,
        }.items():
            (directory / name).write_text(value)
        self.secrets = [pg_password, quoted, self.app_secret, self.admin_password]
        self.env = {
            "DEMO_SECRETS": str(directory),
            "DEMO_VERSION": VERSION,
            "DEMO_SERVER_PORT": "0",
            "DEMO_FRONT_PORT": "0",
        }

    def compose(self, *argv: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
        command = ("compose", "-f", "demo/app/compose.yml", "-p", PROJECT, *argv)
        return docker(*command, check=check, env={**self.env, **env})

    def find(self) -> None:
        """The ports and addresses that Docker chose."""
        self.server_address = self.compose("port", "server", "3000").stdout.strip()
        self.server = f"http://{self.server_address}"
        self.front = f"http://{self.compose('port', 'front', '3001').stdout.strip()}"

    def container(self, service: str) -> str:
        return self.compose("ps", "-aq", service).stdout.strip()

    def logs(self, service: str) -> str:
        """What the container wrote (docker compose logs adds terminal codes of its own)."""
        done = docker("logs", self.container(service))
        return done.stdout + done.stderr

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """The server's image once, with another command or environment."""
        overrides = [part for name, value in env.items() for part in ("-e", f"{name}={value}")]
        return self.compose("run", "--rm", "--no-deps", "-T", *overrides, "server", *command, check=False)

    def graphql(self, query: str, token: str | None = None, **variables: Any) -> dict[str, Any]:
        headers = {"content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        body = json.dumps({"query": query, "variables": variables}).encode()
        _, answer, _ = fetch(f"{self.server}/graphql", headers, body)
        return json.loads(answer)

    def login(self, password: str | None = None) -> dict[str, Any]:
        login = "login(email: $email, password: $password) { accessToken }"
        query = f"mutation ($email: String!, $password: String!) {{ {login} }}"
        return self.graphql(query, email=ADMIN, password=password or self.admin_password)

    def token(self) -> str:
        return self.login()["data"]["login"]["accessToken"]


def fetch(url: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> tuple[int, str, Any]:
    request = urllib.request.Request(url, body, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def eventually(probe: Callable[[], Any], seconds: float = 20) -> Any:
    end = time.monotonic() + seconds
    while not (value := probe()):
        assert time.monotonic() < end, f"not within {seconds} s: {probe.__doc__ or probe}"
        time.sleep(0.2)
    return value


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if docker("info", check=False).returncode:
        pytest.skip("no Docker engine answers: start one with tools/engine")
    subprocess.run([ROOT / "demo/images/build", VERSION], check=True)
    stack = Stack(tmp_path_factory.mktemp("secrets"))
    try:
        up = stack.compose("up", "-d", "--wait", check=False)
        logs = stack.compose("logs").stdout
        assert up.returncode == 0, up.stderr + logs
        stack.find()
        yield stack
    finally:
        stack.compose("down", "-v", "--timeout", "5", check=False)


def test_health_names_its_parts_and_the_release(stack: Stack) -> None:
    status, body, headers = fetch(f"{stack.server}/api/health")
    answer = json.loads(body)
    assert (status, answer["status"], answer["version"]) == (200, "ok", VERSION)
    assert set(answer["info"]) == {"database", "redis"}
    assert headers["x-app-version"] == VERSION
    eventually(lambda: json.loads(fetch(f"{stack.server}/api/health")[1])["workers"] == 1)
    assert json.loads(fetch(f"{stack.server}/healthz")[1]) == {"status": "ok", "info": {}, "error": {}, "details": {}}


def test_redis_away_fails_health_and_tells_clients_no_internals(stack: Stack) -> None:
    stack.compose("pause", "redis")
    try:
        status, body, _ = fetch(f"{stack.server}/api/health")
        assert (status, list(json.loads(body)["error"])) == (503, ["redis"]), body
        assert stack.login()["errors"][0]["message"] == "Internal server error"
        assert "[GraphQLModule] login: Command timed out" in stack.logs("server")
    finally:
        stack.compose("unpause", "redis")
    eventually(lambda: fetch(f"{stack.server}/api/health")[0] == 200)


def test_login_opens_a_session_that_logout_ends(stack: Stack) -> None:
    assert stack.login("wrong")["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    token = stack.token()
    assert stack.graphql("{ me { email } }", token)["data"]["me"]["email"] == ADMIN
    assert stack.graphql("{ people { name } }")["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    stack.graphql("mutation { logout }", token)
    assert stack.graphql("{ me { email } }", token)["data"]["me"] is None


def test_people_are_created_found_and_exported_by_the_worker(stack: Stack) -> None:
    token = stack.token()
    email = f"{secrets.token_hex(4)}@demo.example"
    create = 'mutation ($email: String!) { createPerson(name: "Alan \\"T\\"", email: $email) { id } }'
    assert stack.graphql(create, token, email=email)["data"]["createPerson"]["id"]
    assert stack.graphql(create, token, email=email)["errors"][0]["extensions"]["code"] == "CONFLICT"
    people = stack.graphql("{ people { name company { name } } companies { name } }", token)["data"]
    assert {"name": "Ada Lovelace", "company": {"name": "Analytical Engines"}} in people["people"]
    assert len(people["companies"]) == 2

    job = stack.graphql("mutation { exportPeople { id } }", token)["data"]["exportPeople"]["id"]
    export = "query ($id: ID!) { export(id: $id) { status url } }"
    url = eventually(lambda: stack.graphql(export, token, id=job)["data"]["export"]["url"])
    status, csv, _ = fetch(stack.server + url, {"authorization": f"Bearer {token}"})
    assert status == 200
    assert f'"Alan ""T""",{email},' in csv
    assert fetch(stack.server + url)[0] == 401


def test_events_tell_of_a_new_person(stack: Stack) -> None:
    token = stack.token()
    with urllib.request.urlopen(f"{stack.server}/api/events", timeout=10) as events:
        assert events.headers["content-type"] == "text/event-stream"
        assert [events.readline(), events.readline()][0] == b"event: hello\n"
        create = f'mutation {{ createPerson(name: "E", email: "{secrets.token_hex(4)}@demo.example") {{ id }} }}'
        created = stack.graphql(create, token)["data"]["createPerson"]["id"]
        while events.readline() != b"event: person\n":
            pass
        assert json.loads(events.readline().removeprefix(b"data: "))["id"] == created


def test_websocket_greets_with_the_release(stack: Stack) -> None:
    host, port = stack.server_address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"GET /api/ws HTTP/1.1\r\nHost: demo\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        received = b""
        while b"hello" not in received:
            chunk = connection.recv(4096)
            assert chunk, received
            received += chunk
    assert received.startswith(b"HTTP/1.1 101")


def test_cors_admits_the_front_and_nobody_else(stack: Stack) -> None:
    for origin, admitted in (("http://localhost:3001", "http://localhost:3001"), ("https://evil.example", None)):
        _, _, headers = fetch(f"{stack.server}/api/version", {"origin": origin})
        assert headers["access-control-allow-origin"] == admitted


def test_front_serves_a_page_without_inline_scripts(stack: Stack) -> None:
    status, page, headers = fetch(f"{stack.front}/people/1")
    assert (status, headers["x-app-version"]) == (200, VERSION)
    assert headers["content-type"].startswith("text/html")
    scripts = re.findall(r"<script[^>]*>([^<]*)</script>", page)
    assert scripts == [""]
    asset = re.search(r'src="(/assets/[^"]+\.js)"', page)
    assert asset
    status, script, headers = fetch(stack.front + asset[1])
    assert (status, "immutable" in headers["cache-control"], "login(" in script) == (200, True, True)
    assert fetch(f"{stack.front}/assets/gone.js")[0] == 404


def test_log_lines_are_nests_and_hold_no_secret(stack: Stack) -> None:
    logs = "".join(stack.logs(service) for service in ("server", "worker", "migrate"))
    line = re.compile(r"\[Nest\] \d+  - \d\d/\d\d/\d{4}, \d{1,2}:\d\d:\d\d [AP]M  +(LOG|WARN|ERROR) \[\w+\] .+")
    assert logs.strip()
    assert [text for text in logs.splitlines() if not line.fullmatch(text)] == []
    everything = logs + stack.logs("postgres") + stack.logs("redis")
    assert [secret for secret in stack.secrets if secret in everything] == []


def test_images_are_small_and_not_root(stack: Stack) -> None:
    for name in ("server", "front"):
        image = json.loads(docker("image", "inspect", f"local/sluice-demo-{name}:{VERSION}").stdout)[0]
        assert image["Size"] < 300e6
        assert image["Config"]["User"] == "1000:1000"


def test_stopping_finishes_what_is_in_flight(stack: Stack) -> None:
    answers: list[tuple[int, str, Any]] = []
    slow = threading.Thread(target=lambda: answers.append(fetch(f"{stack.server}/api/slow?ms=2000")))
    with urllib.request.urlopen(f"{stack.server}/api/events", timeout=10) as events:
        slow.start()
        time.sleep(0.5)
        stack.compose("stop", "server", "worker")
        slow.join()
        assert events.read().endswith(b"\n\n"), "a stream is ended, not cut"
    assert [status for status, _, _ in answers] == [200]
    for service in ("server", "worker"):
        state = json.loads(docker("inspect", stack.container(service)).stdout)[0]["State"]
        assert state["ExitCode"] == 0, state
        assert " stopped" in stack.logs(service)
    stack.compose("up", "-d", "--wait", "server", "worker")
    stack.find()


def test_migrations_again_change_nothing(stack: Stack) -> None:
    again = stack.run("node", "dist/migrate.js")
    assert (again.returncode, "none was missing" in again.stdout) == (0, True), again


def test_broken_migration_fails_and_leaves_the_schema(stack: Stack) -> None:
    broken = stack.run("node", "dist/migrate.js", DEMO_BREAK="migration")
    assert broken.returncode == 1
    assert "contains null values" in broken.stderr
    assert "none was missing" in stack.run("node", "dist/migrate.js").stdout


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"DEMO_BREAK": "crash"}, "the application cannot start"),
        ({"DEMO_BREAK": "crash-later", "DEMO_BREAK_SECONDS": "2"}, "out of luck"),
        ({"DEMO_BREAK": "cras"}, "not known: use one of crash"),
        ({"APP_SECRET": "both-are-set-here"}, "APP_SECRET and APP_SECRET_FILE are both set"),
        ({"APP_SECRET": "short", "APP_SECRET_FILE": ""}, "APP_SECRET is too short"),
        ({"SERVER_URL": ""}, "SERVER_URL is not set"),
    ],
)
def test_failed_start_says_why_in_one_line(stack: Stack, env: dict[str, str], message: str) -> None:
    failed = stack.run(**env)
    assert failed.returncode == 1
    assert message in failed.stderr
    assert "    at " not in failed.stdout + failed.stderr, "a stack trace"


@pytest.mark.parametrize(
    ("service", "mode", "sick"),
    [
        ("server", "unhealthy", True),
        ("server", "slow-start", True),
        ("worker", "dead-worker", True),
        ("server", "secret-in-log", False),
    ],
)
def test_broken_while_running(stack: Stack, service: str, mode: str, sick: bool) -> None:
    name = f"{PROJECT}-{mode}"
    image = f"local/sluice-demo-server:{VERSION}"
    files = [Path(stack.env["DEMO_SECRETS"]) / part for part in ("pg_database_url", "app_secret")]
    mounts = [part for file in files for part in ("-v", f"{file}:/run/secrets/{file.name}:ro")]
    env = {
        "PG_DATABASE_URL_FILE": "/run/secrets/pg_database_url",
        "APP_SECRET_FILE": "/run/secrets/app_secret",
        "REDIS_URL": "redis://redis:6379",
        "SERVER_URL": "http://localhost:3000",
        "DEMO_BREAK": mode,
    }
    settings = [part for key, value in env.items() for part in ("-e", f"{key}={value}")]
    command = ["node", "dist/worker.js"] if service == "worker" else []
    docker("run", "-d", "--name", name, "--network", f"{PROJECT}_default", *mounts, *settings, image, *command)
    try:
        ready = "successfully started" if mode != "slow-start" else "DEMO_BREAK=slow-start"
        eventually(lambda: ready in docker("logs", name).stdout)
        assert bool(docker("exec", name, "healthcheck", check=False).returncode) is sick
        assert (stack.app_secret in docker("logs", name).stdout) is (mode == "secret-in-log")
        stopped = docker("stop", "--time", "5", name)
        assert json.loads(docker("inspect", name).stdout)[0]["State"]["ExitCode"] == 0, stopped
    finally:
        docker("rm", "-f", name)


@pytest.mark.parametrize("mode", ["bloat", "secret-in-image"])
def test_broken_image(stack: Stack, mode: str) -> None:
    version = f"{PROJECT}-{mode}"
    subprocess.run([ROOT / "demo/images/build", version, mode], check=True)
    tags = [f"local/sluice-demo-{name}:{version}" for name in ("server", "front")]
    try:
        if mode == "bloat":
            assert json.loads(docker("image", "inspect", tags[0]).stdout)[0]["Size"] > 500e6
        else:
            assert re.search(
                r"AKIA[A-Z2-7]{16}", docker("run", "--rm", "--network", "none", tags[0], "cat", ".env").stdout
            )
    finally:
        docker("rmi", *tags)
