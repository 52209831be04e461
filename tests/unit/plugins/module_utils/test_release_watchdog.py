"""Whatever a release asks of engine, edge, git, systemd or an app may be silent, talk rubbish or be cut off."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import StepError
from ansible_collections.sluice.deploy.plugins.module_utils.release import (
    archives,
    docker,
    dockercommands,
    dockerfile,
    repository,
    sources,
    swarm,
    warm,
)
from ansible_collections.sluice.deploy.plugins.module_utils.release import edge as edges
from ansible_collections.sluice.deploy.plugins.module_utils.release import restic as restics
from ansible_collections.sluice.deploy.plugins.module_utils.release.docker import Docker
from ansible_collections.sluice.deploy.plugins.module_utils.release.edge import CommandEdge
from ansible_collections.sluice.deploy.plugins.module_utils.release.engine import Container, Image, Project
from ansible_collections.sluice.deploy.plugins.module_utils.release.health import answers
from ansible_collections.sluice.deploy.plugins.module_utils.release.restic import Repository, Restic
from ansible_collections.sluice.deploy.plugins.module_utils.release.run import Run
from ansible_collections.sluice.deploy.plugins.module_utils.release.swarm import Swarm
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Build, Health, Service
from ansible_collections.sluice.deploy.plugins.module_utils.stack.swarm import Content
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import World, description, run_in
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.test_release_swarm import EDGE, Fake, service

WAYS = {
    "silence": "exec sleep 5",
    "rubbish": "head -c 9000 /dev/urandom; head -c 9000 /dev/urandom >&2",
    "a cut-off": 'printf "{\\"serving\\": \\"bl"; kill -9 $$',
    "an end without a word": "exit 1",
}
SHORT = 0.3
LONGEST = 4.0
IMAGE = Image("sha256:1", "web:1")
BUILD = Build(context="/app")
TASK = "t" * 25
OF_TASK = Container(TASK, "crm_blue-web.1@m1", "web", "running", "", 0, 0, "", "")
RELEASED = Project("crm-blue", Path("/nonexistent"), "blue")


def commands(run: Run, place: Path) -> dict[str, Callable[[], object]]:
    """Every command that a release runs."""
    engine, project = Docker(timeout=SHORT), Project("crm-blue", place, "blue")
    edge = CommandEdge([str(place / "switch")], "crm")
    nowhere = cast(repository.Remote, None)
    restic = Restic(Repository("rest:http://127.0.0.1:9/x", "password"))
    git = Build(git="https://code.test/app.git", ref="main")
    return {
        "pull": lambda: engine.pull("web:1"),
        "build": lambda: engine.build(BUILD, place, "tag", {}, place / "build.log"),
        "user_id": lambda: engine.user_id(IMAGE, "app"),
        "can_ask": lambda: engine.can_ask(IMAGE),
        "start_scratch": lambda: engine.start_scratch("x", "web:1", {"A": "b"}),
        "discard": lambda: engine.discard("x"),
        "forget": lambda: engine.forget("x"),
        "remove_network": lambda: engine.remove_network("crm"),
        "remove_volume": lambda: engine.remove_volume("crm_db"),
        "up": lambda: engine._compose(project, "up"),
        "logs": lambda: engine.logs("x", 9),
        "log": lambda: engine.log(Container("x", "x", "web", "running", "", 0, 0, "", ""), 9, ""),
        "run_once": lambda: engine.run_once(project, "web", ["migrate"], SHORT),
        "execute": lambda: engine.execute("x", ["pg_dump"]),
        "edge serving": edge.serving,
        "edge switch": lambda: edge.switch("blue", {}),
        "git": lambda: sources.checkout(run, Service("web", build=git), git),
        "hadolint": lambda: dockerfile.check(place / "Dockerfile", "", "web", str(place / "hadolint")),
        "tar": lambda: archives._tar(run, ["tar", "--create"]),
        "restic": lambda: restic.ask("snapshots"),
        "restic, that reads": lambda: repository._Stream(nowhere, restic, "dump", ["backup", "--stdin"]).commit(),
        "restic, that writes": lambda: repository.manifest_in(restic, repository.Stored("x", "h", "1", "")),
        "systemd": lambda: warm.schedule("sluice-cool-crm", 9, "true"),
    }


class Answering(Fake):
    """A swarm that answers well, and whose commands are run."""

    _docker = Swarm._docker

    def __init__(self) -> None:
        told = {"NodeID": "n", "ServiceID": "s", "Status": {"ContainerStatus": {"ContainerID": "c"}}}
        lists: dict[str, Any] = {f"/{name}": [] for name in ("tasks", "nodes", "secrets", "configs")}
        networks = {"/networks": [{"Name": "crm"}], "/networks/sluice-edge": EDGE}
        super().__init__({
            **lists, **networks, "/services": [service()], f"/tasks/{TASK}": told,
            "/info": {"Swarm": {"NodeID": "n"}}, "/images/web:1/json": {"Id": "sha256:1"},
        })  # fmt: skip
        self._timeout = SHORT


class Composed(Swarm):
    """One in which Compose works."""

    def _compose(self, project: Project, *arguments: str) -> str:
        return json.dumps({"services": {"web": {"image": "web:1", "networks": {}}}})


class Deploying(Composed, Answering):
    """One in which all works up to the swarm's own command."""


def commands_of_a_swarm(place: Path) -> dict[str, Callable[[], object]]:
    """Every command that a release runs in a swarm beside those."""
    engine = Answering()
    return {
        "ensure_network": lambda: engine.ensure_network("crm"),
        "remove_network": lambda: engine.remove_network("crm"),
        "config": lambda: engine.up(RELEASED, ["web"]),
        "stack deploy": lambda: Deploying().up(RELEASED, ["web"]),
        "secret create": lambda: engine._bring("crm", Content("crm-KEY-1", str(place / "KEY"), True, 0, 0o400)),
        "stop": lambda: engine.stop("crm-blue"),
        "remove": lambda: engine.remove("crm-blue"),
        "logs": lambda: engine.logs(TASK, 9),
        "log": lambda: engine.log(OF_TASK, 9, ""),
        "execute": lambda: engine.execute(TASK, ["pg_dump"]),
    }


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of commands before all others, and short patience."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for module, name in (
        (docker, "_BUILD_TIMEOUT"),
        (dockercommands, "_EXECUTE_TIMEOUT"),
        (edges, "_TIMEOUT"),
        (sources, "_GIT_TIMEOUT"),
        (archives, "_TIMEOUT"),
        (warm, "_TIMEOUT"),
        (restics, "_LONGEST"),
        (swarm, "_SCHEDULED"),
        (swarm, "_ENDED"),
    ):
        monkeypatch.setattr(module, name, SHORT)
    run = subprocess.run

    def hasty(argv: Any, **options: Any) -> Any:
        # Those that wait for a minute are of no other kind than those that wait for longer.
        options["timeout"] = min(options["timeout"], SHORT)
        if argv[0] == "git":
            options["env"] = {**options["env"], "PATH": os.environ["PATH"]}
        return run(argv, **options)

    monkeypatch.setattr(subprocess, "run", hasty)
    return tmp_path


def ends_as_a_step(run: Run, call: Callable[[], object]) -> None:
    """It answers, or is a step's error; and it does not take long."""
    begin = time.monotonic()
    try:
        with run.step("tried"):
            call()
    except StepError as error:
        assert error.step == "tried" and error.cause
        # What is not expected would be a traceback where no step is around it.
        assert not error.cause.startswith("unexpected")
    assert time.monotonic() - begin < LONGEST


@pytest.mark.parametrize("way", WAYS)
def test_every_command_ends_as_a_step_s_error_or_an_answer(place: Path, way: str) -> None:
    for name in ("docker", "switch", "git", "hadolint", "tar", "systemctl", "systemd-run", "restic"):
        (place / name).write_text(f"#!/bin/sh\n{WAYS[way]}\n")
        (place / name).chmod(0o755)
    run = run_in(World(), place / "state", description("1"))
    swarms = {f"{name}, in a swarm": call for name, call in commands_of_a_swarm(place).items()}
    for name, call in {**commands(run, place), **swarms}.items():
        try:
            ends_as_a_step(run, call)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


TALK = {
    "silence": b"",
    "rubbish": bytes(range(256)) * 20,
    "a cut-off": b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"Id": "sha',
    "another form": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[12]",
    "nothing": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
}


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Callable[[int, Any, bytes], None]]:
    """Takes connections and says one thing to each; silence is a connection that stays open."""
    sockets: list[socket.socket] = []

    def serve(family: int, address: Any, talk: bytes) -> None:
        server = socket.socket(family, socket.SOCK_STREAM)
        server.bind(address)
        server.listen(64)
        sockets.append(server)

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                sockets.append(connection)
                if talk:
                    connection.recv(4096)
                    connection.sendall(talk)
                    connection.close()

        threading.Thread(target=accept, daemon=True).start()

    yield serve
    for one in sockets:
        one.close()


def questions_to_a_swarm() -> dict[str, Callable[[], object]]:
    """What a release does in a swarm begins with one."""
    engine = Composed(timeout=SHORT)
    engine._api_timeout = SHORT
    return {
        "manages": engine.manages,
        "ensure_network": lambda: engine.ensure_network("crm"),
        "remove_network": lambda: engine.remove_network("crm"),
        "up": lambda: engine.up(RELEASED, ["web"]),
        "containers of a release": lambda: engine.containers("crm-blue"),
        "stop a release": lambda: engine.stop("crm-blue"),
        "rest_command": lambda: engine.rest_command("crm-blue", ["web"]),
        "remove a release": lambda: engine.remove("crm-blue"),
        "logs": lambda: engine.logs(TASK, 9),
        "log": lambda: engine.log(OF_TASK, 9, ""),
        "execute": lambda: engine.execute(TASK, ["true"]),
    }


@pytest.mark.parametrize("way", TALK)
def test_every_question_to_the_engine_ends_as_a_step_s_error_or_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: Callable[[int, Any, bytes], None], way: str
) -> None:
    address = str(tmp_path / "docker.sock")
    listener(socket.AF_UNIX, address, TALK[way])
    monkeypatch.setenv("DOCKER_HOST", f"unix://{address}")
    engine = Docker(timeout=SHORT)
    engine._api_timeout = SHORT
    run = run_in(World(), tmp_path / "state", description("1"))
    asked: dict[str, Callable[[], object]] = {
        "start_interval": engine.start_interval,
        "image": lambda: engine.image("web:1"),
        "free_bytes": engine.free_bytes,
        "papers": lambda: engine.papers(IMAGE),
        "counts_files": engine.counts_files,
        "archive": lambda: list(engine.archive(IMAGE)),
        "tags": lambda: engine.tags("sluice/crm-*"),
        "volumes": lambda: engine.volumes("crm_"),
        "has_network": lambda: engine.has_network("crm"),
        "volume_path": lambda: engine.volume_path("crm_db"),
        "containers": lambda: engine.containers("crm-blue"),
        "stop": lambda: engine.stop("crm-blue"),
        "remove": lambda: engine.remove("crm-blue"),
        "wait": lambda: engine.wait(SHORT),
    }
    for name, call in {**asked, **questions_to_a_swarm()}.items():
        try:
            ends_as_a_step(run, call)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


@pytest.mark.parametrize("way", TALK)
def test_an_app_that_talks_like_that_is_not_healthy_and_ends_no_run(
    listener: Callable[[int, Any, bytes], None], way: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listener(socket.AF_INET, ("127.0.0.1", port), TALK[way])
    health = Health(path="/", expect="ok", timeout=SHORT)
    container = Container("1", "crm-blue-web", "web", "running", "", 0, 0, "127.0.0.1", "")
    works, seen = answers(Service("web", port=port, health=health), health, container)
    assert not works and seen
