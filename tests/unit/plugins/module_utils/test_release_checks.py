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

from ansible_collections.sluice.deploy.plugins.module_utils.errors import StepError
from ansible_collections.sluice.deploy.plugins.module_utils.release import checks
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

PROJECT = Path(__file__).resolve().parents[4]
WEB = Service(name="web", port=1, health=Health(path="/healthz", expect='"ok"'))


@pytest.mark.parametrize(("size", "status"), [(499_999_999, "pass"), (500_000_000, "pass"), (500_000_001, "fail")])
def test_image_size(size: int, status: str) -> None:
    service = Service(name="web", max_size="500MB")
    assert checks.image_size(service, Image("sha256:1", "web:1", size=size))["status"] == status


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

    def history(self, image: Image) -> list[str]:
        return ["RUN make", self.said]


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
    assert {r["id"]: r["status"] for r in results} == {"log_secrets": status, "image_secrets": status}
    assert "a-long-token-value" not in str(results)
