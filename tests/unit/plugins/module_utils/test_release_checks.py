"""The gates of a release."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.sluice.deploy.plugins.module_utils.errors import EngineError, StepError
from ansible_collections.sluice.deploy.plugins.module_utils.release import checks, imagechecks
from ansible_collections.sluice.deploy.plugins.module_utils.release.engine import Container, Image, Project
from ansible_collections.sluice.deploy.plugins.module_utils.release.run import Run
from ansible_collections.sluice.deploy.plugins.module_utils.results import GateResult, gate_result
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Health, Service
from ansible_collections.sluice.deploy.plugins.modules import stack_release
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.fakes import (
    FakeEngine,
    World,
    description,
    run_in,
)
from ansible_collections.sluice.deploy.tests.unit.plugins.module_utils.imagegate_samples import (
    docker_archive,
    pieces,
    tar,
)

PROJECT = Path(__file__).resolve().parents[4]
WEB = Service(name="web", port=1, health=Health(path="/healthz", expect='"ok"'))


def layer_files(*sizes: tuple[str, int]) -> bytes:
    return tar([(name, b"x" * size) for name, size in sizes])


class Storing(FakeEngine):
    """An engine that holds one image, and counts its files or does not."""

    layers = (layer_files(("base", 300)), layer_files(("app", 201)))
    files = True
    sizes = (300, 201)

    def counts_files(self) -> bool:
        return self.files

    def papers(self, image: Image) -> dict[str, Any]:
        return {"config": {"Env": []}, "history": [{"created_by": "RUN make", "Size": size} for size in self.sizes]}

    def archive(self, image: Image) -> Iterator[bytes]:
        yield from pieces(docker_archive(self.layers))


@pytest.mark.parametrize(
    ("files", "told", "limit", "status"),
    [
        (True, 501, "501B", "pass"),
        (True, 501, "500B", "fail"),
        # Compressed, it would fit.
        (False, 90, "501B", "pass"),
        (False, 90, "500B", "fail"),
    ],
)
def test_an_image_is_measured_by_its_files_on_either_store(
    tmp_path: Path, files: bool, told: int, limit: str, status: str
) -> None:
    run = run_in(World(), tmp_path, description("1"))
    run.engine = engine = Storing(World())
    engine.files = files
    result = imagechecks.size(run, Service(name="web", max_size=limit), Image("sha256:1", "web:1", size=told))
    assert (result["id"], result["title"]) == ("image_size.web", "Size of image web")
    assert (result["status"], result["evidence"][0][:9]) == (status, "501 bytes")
    if status == "fail":
        assert "layer 1: 300 B RUN" in result["evidence"][1]
        assert result["advice"]


def test_an_image_that_cannot_be_saved_whole_ends_the_step(tmp_path: Path) -> None:
    run = run_in(World(), tmp_path, description("1"))
    run.engine = engine = Storing(World())
    engine.archive = lambda image: iter([docker_archive(Storing.layers)[:700]])  # type: ignore[method-assign]
    with pytest.raises(StepError, match="cut short"), run.step("image_gates"):
        imagechecks.size(run, Service(name="web", max_size="1B"), Image("sha256:1", "web:1", size=2))


@pytest.fixture
def port() -> Iterator[int]:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response({"/healthz": 200, "/front": 200, "/moved": 302}.get(self.path, 503))
            self.end_headers()
            self.wfile.write(b'{"status":"ok"}' if self.path == "/healthz" else b"<html>")

        def log_message(self, *arguments: Any) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "expect", "status"),
    [("/healthz", '"ok"', "pass"), ("/front", '"ok"', "fail"), ("/front", "", "pass"), ("/gone", "", "fail")],
)
def test_smoke(port: int, path: str, expect: str, status: str) -> None:
    service = Service(name="web", port=port, health=Health(path=path, expect=expect))
    container = Container("1", "crm-blue-web", "web", "running", "healthy", 0, 0, "127.0.0.1", "")
    assert checks.smoke(service, service.health, container)["status"] == status


def test_smoke_without_an_answer() -> None:
    container = Container("1", "crm-blue-web", "web", "running", "healthy", 0, 0, "127.0.0.1", "")
    result = checks.smoke(WEB, WEB.health, container)
    assert result["status"] == "fail"
    assert "no answer" in result["measured"]


def test_log_patterns() -> None:
    service = Service(name="web", fail_on_log=("completed with errors",))
    assert checks.log_patterns(service, "all well")["status"] == "pass"
    result = checks.log_patterns(service, "x\nUpgrade completed with errors.\n")
    assert (result["status"], result["evidence"]) == ("fail", ["Upgrade completed with errors."])


@pytest.mark.parametrize(("level", "status"), [("fail", None), ("warn", "warn"), ("off", "")])
def test_levels(tmp_path: Path, level: str, status: str | None) -> None:
    run = run_in(World(), tmp_path, description("1"), levels={"smoke": level})
    failed = gate_result("smoke.web", "web answers", "fail", evidence=["a-long-token-value stands here"])
    results = checks.look({"smoke": lambda run: [failed]}, run)
    if status is None:
        with pytest.raises(StepError, match=r"gate smoke\.web failed: web answers does not hold"):
            checks.judge(run, results)
    else:
        checks.judge(run, results)
    assert [g["status"] for g in run.gates] == ([status or "fail"] if status != "" else [])
    assert "a-long-token-value" not in str(run.gates)


def test_a_gate_that_is_off_does_not_look(tmp_path: Path) -> None:
    def gate(run: Run) -> list[GateResult]:
        raise AssertionError("it looked")

    assert checks.look({"smoke": gate}, run_in(World(), tmp_path, description("1"), levels={"smoke": "off"})) == []


def test_a_gate_that_is_written_is_a_gate_that_settings_know() -> None:
    settings = yaml.safe_load((PROJECT / "roles/compose_stack/meta/argument_specs.yml").read_text(encoding="utf-8"))
    option = yaml.safe_load(stack_release.DOCUMENTATION)["options"]["gates"]
    role = settings["argument_specs"]["main"]["options"]["compose_stack_gates"]
    for text in (" ".join(option["description"]), role["description"]):
        assert re.findall(r"V\((\w+)\)", text.partition("The gates are")[2]) == list(checks.GATES)


class Talkative(FakeEngine):
    """Its containers log a secret, and so does its images' history."""

    said = "all well"

    def logs(self, container: str, lines: int) -> str:
        return self.said

    def papers(self, image: Image) -> dict[str, Any]:
        return {"config": {"Env": ["A=b"]}, "history": [{"created_by": f"RUN make {self.said}"}]}


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("all well", "pass"),
        ("token a-long-token-value", "fail"),
        ("YS1sb25nLXRva2VuLXZhbHVl", "fail"),
    ],
    ids=["nothing", "plain", "base64"],
)
def test_secrets_in_logs_and_images(tmp_path: Path, said: str, status: str) -> None:
    world = World()
    run = run_in(world, tmp_path, description("1"), levels={})
    run.engine = Talkative(world)
    Talkative.said = said
    image = run.engine.add_image("web:1")
    world.containers["crm-blue-jobs"] = Container("crm-blue/jobs", "crm-blue-jobs", "jobs", "running", "", 0, 0, "", "")
    results = checks.release_gates(run, Project("crm-blue", tmp_path, "blue"))
    results += checks.image_gates(run, dict.fromkeys(run.stack.services, image))
    images = {f"image_secrets.{name}": status for name in ("web", "web2", "jobs", "mail")}
    assert {r["id"]: r["status"] for r in results} == {"log_secrets": status, **images}
    assert "a-long-token-value" not in str(results)


def test_a_name_that_promises_a_secret_fails_an_image_here_as_in_the_report(tmp_path: Path) -> None:
    run = run_in(World(), tmp_path, description("1"))
    run.engine.papers = lambda image: {  # type: ignore[method-assign]
        "config": {"Env": ["DB_PASSWORD=summer-house"]},
        "history": [{"created_by": "RUN make"}],
    }
    result = imagechecks.secrets(run, Service(name="web"), Image("sha256:1", "web:1"))
    assert (result["id"], result["status"], result["measured"]) == ("image_secrets.web", "fail", 1)
    assert result["evidence"][0] == "DB_PASSWORD in ENV"
    assert "summer-house" not in str(result)


class Unreadable(FakeEngine):
    """An engine whose log driver keeps nothing of one service."""

    def logs(self, container: str, lines: int) -> str:
        if container.endswith("/mail"):
            raise EngineError("configured logging driver does not support reading")
        return "all well"


def test_a_log_that_cannot_be_read_is_no_clean_log(tmp_path: Path) -> None:
    world, described = World(), description("1")
    described["services"]["mail"]["fail_on_log"] = ["ERROR"]
    described["services"]["jobs"]["fail_on_log"] = ["ERROR"]
    run = run_in(world, tmp_path, described, levels={"smoke": "off"})
    run.engine = Unreadable(world)
    (tmp_path / "compose.yml").write_text("services: {mail: {image: a}, jobs: {image: a}}")
    run.engine.up(Project("crm-blue", tmp_path, "blue"), ["mail", "jobs"])
    found = {r["id"]: r for r in checks.release_gates(run, Project("crm-blue", tmp_path, "blue"))}
    assert {found[i]["status"] for i in ("log_secrets", "log_patterns.mail")} == {"warn"}
    assert found["log_patterns.jobs"]["status"] == "pass"
    assert found["log_secrets"]["evidence"][-1] == (
        "the log of mail cannot be read: configured logging driver does not support reading"
    )
    assert "stack_logging" in found["log_secrets"]["advice"][-1]
