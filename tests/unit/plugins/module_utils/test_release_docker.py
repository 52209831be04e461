"""The docker command line: what is asked of it, and what becomes of its answers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import EngineError
from ansible_collections.sluice.deploy.plugins.module_utils.release import docker as command
from ansible_collections.sluice.deploy.plugins.module_utils.release import dockercommands
from ansible_collections.sluice.deploy.plugins.module_utils.release.docker import Docker
from ansible_collections.sluice.deploy.plugins.module_utils.release.engine import Container, Image, Project
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Build

# Notes its arguments and colour, and answers with the file that is named after its first two words.
STUB = """#!/bin/sh
printf '%s\\n' "$COLOUR|$*" >> {log}
[ -e "{answers}/$1-$2.err" ] && {{ cat "{answers}/$1-$2.err" >&2; exit 1; }}
[ -e "{answers}/$1-$2" ] && cat "{answers}/$1-$2" || exit 0
"""


class Stub:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "log"
        stub = directory / "docker"
        stub.write_text(STUB.format(log=self.log, answers=directory))
        stub.chmod(0o755)

    def answer(self, command: str, text: str) -> None:
        (self.directory / command).write_text(text)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stub:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Stub(tmp_path)


def container(service: str, directory: Path, name: str = "") -> dict[str, Any]:
    prefix = "com.docker.compose"
    return {"Name": name, "Labels": {f"{prefix}.service": service, f"{prefix}.project.working_dir": str(directory)}}


@pytest.mark.parametrize(
    ("there", "recreate"),
    [
        ([], ""),
        ([("web", "."), ("idle", "../before")], ""),
        ([("web", "."), ("jobs", "../before")], " --force-recreate"),
    ],
    ids=["a first start", "a release that rests", "a service that another release left"],
)
def test_up_neither_pulls_nor_builds_nor_starts_what_was_not_named(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: list[tuple[str, str]], recreate: str
) -> None:
    project = Project("crm-blue", tmp_path, "blue")
    (tmp_path / "secrets.yml").touch()
    listed = [container(service, tmp_path / directory) for service, directory in there]
    monkeypatch.setattr(Docker, "_listed", lambda self, name: listed)
    Docker().up(project, ["web", "jobs"])
    assert stub.calls == [
        "blue|compose --progress quiet --project-name crm-blue"
        f" --project-directory {tmp_path} --file {tmp_path}/compose.yml --file {tmp_path}/secrets.yml"
        f" up --detach --no-deps --no-build --pull never{recreate} web jobs"
    ]


def test_a_container_that_was_taken_over_is_no_business_of_compose(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [container("db", tmp_path / "elsewhere", "crm-data.db"), container("cache", tmp_path, "crm-cache")]
    monkeypatch.setattr(Docker, "_listed", lambda self, name: listed)
    project = Project("crm-data", tmp_path)
    Docker().up(project, ["db"])
    assert stub.calls == ["|start crm-data.db"]
    Docker().up(project, ["db", "cache"])
    assert stub.calls[2].endswith(" up --detach --no-deps --no-build --pull never cache")
    Docker().up(project, ["db"], anew=True)
    assert [call.split(" ", 1)[0] for call in stub.calls[3:]] == ["|stop", "|rm", "|compose"]
    assert stub.calls[-1].endswith(" --force-recreate db")


def test_a_platform_reaches_pull_and_build(stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Docker, "image", lambda self, reference: Image("sha256:1", reference))
    Docker().pull("web:1", "linux/arm64")
    Docker().pull("web:1")
    Docker().build(Build(context="."), tmp_path, "x", {}, tmp_path / "build.log", "linux/arm64")
    assert stub.calls[0].endswith("pull --quiet --platform linux/arm64 web:1")
    assert stub.calls[1].endswith("pull --quiet web:1")
    assert f" --platform linux/arm64 {tmp_path}" in stub.calls[2]


def test_a_command_that_takes_too_long_is_ended_and_said(stub: Stub, tmp_path: Path) -> None:
    (tmp_path / "docker").write_text(
        f'#!/bin/sh\necho "$*" >> {stub.log}\n[ "$1" = compose ] && exec sleep 5\nexit 0\n'
    )
    status, output = Docker().run_once(Project("crm-blue", tmp_path, "blue"), "web", ["migrate"], 0.2)
    assert status == 124
    assert "did not end within 0.2 s" in output
    assert stub.calls[-1] == "rm --force crm-blue-web-once"


def test_a_build_takes_secrets_as_secrets_and_keeps_its_log(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Docker, "image", lambda self, reference: Image("sha256:1", reference))
    stub.answer("buildx-build", "#1 building\n")
    build = Build(context="/app", dockerfile="Dockerfile", target="server", args={"V": "1"})
    log = tmp_path / "build.log"
    image = Docker().build(build, Path("/app"), "sluice/x:build", {"key": Path("/s/key")}, log)
    assert image == Image("sha256:1", "sluice/x:build")
    assert stub.calls[0] == (
        "|buildx build --load --progress plain --provenance=false --tag sluice/x:build --file /app/Dockerfile"
        " --target server --build-arg V=1 --secret id=key,src=/s/key /app"
    )
    assert log.read_text() == "#1 building\n"
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_lock_is_inherited_by_what_is_started(stub: Stub, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with lock.open("w") as held:
        (tmp_path / "docker").write_text(f"#!/bin/sh\nreadlink /proc/self/fd/{held.fileno()} || true\n")
        assert Docker((held.fileno(),)).logs("x", 1).strip() == str(lock)
        assert Docker().logs("x", 1).strip() != str(lock)


def test_without_docker_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EngineError, match="run the docker_host role first"):
        Docker().pull("postgres:16")


def test_every_command_that_hangs_ends_as_the_engine_s_error(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\nexec sleep 5\n")
    monkeypatch.setattr(command, "_BUILD_TIMEOUT", 0.1)
    monkeypatch.setattr(dockercommands, "_EXECUTE_TIMEOUT", 0.1)
    engine = Docker(timeout=0.1)
    build = Build(context="/app", dockerfile="Dockerfile")
    for hanging in (
        lambda: engine.pull("web:1"),
        lambda: engine.execute("db", ["pg_dump"]),
        lambda: engine.build(build, tmp_path, "x", {}, tmp_path / "build.log"),
        lambda: engine._run(["docker", "logs"], 0.1),
    ):
        with pytest.raises(EngineError, match=r"docker \w+ did not end within 0.1 s"):
            hanging()


def test_what_is_no_text_is_read_all_the_same(stub: Stub, tmp_path: Path) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\nprintf 'caf\\351'\n")
    assert Docker().logs("x", 1) == "caf\N{REPLACEMENT CHARACTER}"


def test_a_log_that_the_engine_does_not_keep_is_an_error_and_no_log(stub: Stub, tmp_path: Path) -> None:
    container = Container("abc", "crm-blue-web-1", "web", "running", "", 0, 0, "", "sha256:1")
    (tmp_path / "docker").write_text('#!/bin/sh\necho "$@"\n')
    assert Docker().log(container, 5, "10m") == "logs --timestamps --tail 5 --since 10m abc\n"
    assert Docker().log(container, 0, "") == "logs --timestamps --tail all abc\n"
    (tmp_path / "docker").write_text(
        "#!/bin/sh\necho 'Error: configured logging driver does not support reading' >&2\nexit 1\n"
    )
    with pytest.raises(EngineError, match="crm-blue-web-1: Error: configured logging driver does not support reading"):
        Docker().log(container, 5, "")
    with pytest.raises(EngineError, match="does not support reading"):
        Docker().logs("x", 1)


@pytest.mark.parametrize(("status", "can"), [(0, True), (1, False), (126, False), (127, False)])
def test_whether_an_image_can_ask_is_found_out_by_its_own_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, can: bool
) -> None:
    stub = tmp_path / "docker"
    stub.write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/asked\nexit {status}\n')
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert Docker().can_ask(Image("sha256:aa", "web:1")) is can
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("run --rm --network none --entrypoint /bin/sh sha256:aa -c command -v curl")


def test_an_engine_that_fails_says_nothing_of_an_image(stub: Stub) -> None:
    (stub.directory / "docker").write_text("#!/bin/sh\necho 'no room' >&2\nexit 125\n")
    with pytest.raises(EngineError, match="no room"):
        Docker().can_ask(Image("sha256:aa", "web:1"))
