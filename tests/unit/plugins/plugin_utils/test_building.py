"""Images built on the controller pass the gates that a server's own pass, and show no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.errors import EngineError, UserError
from ansible_collections.sluice.deploy.plugins.module_utils.release.engine import Image
from ansible_collections.sluice.deploy.plugins.plugin_utils import building

SECRET = "planted/secret+value"
SOUND = "FROM base AS made\nRUN make\nFROM base\nCOPY --from=made /app /app\nUSER 1000\n"


class Engine:
    """Says `said` while it builds."""

    def __init__(self, said: str, fails: bool = False) -> None:
        self.said, self.fails, self.asked = said, fails, []

    def build(self, build: Any, context: Path, tag: str, secrets: dict[str, Path], log: Path, platform: str) -> Image:
        self.asked.append((tag, build.builder, {name: path.read_text() for name, path in secrets.items()}))
        log.write_text(self.said)
        if self.fails:
            raise EngineError(f"docker build ended with status 1: {self.said}")
        return Image("sha256:1", tag)


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    context = tmp_path / "app"
    context.mkdir()
    (context / ".dockerignore").touch()

    def run(said: str = "", dockerfile: str = SOUND, fails: bool = False, gates: Any = (), **more: Any) -> Any:
        (context / "Dockerfile").write_text(dockerfile)
        engine = Engine(said, fails)
        monkeypatch.setattr(building, "Docker", lambda inherit: engine)
        made = {"context": str(context), "secrets": {"key": "APP_SECRET"}, **more}
        services = {
            "web": {"build": made, "pull": "controller", "port": 80, "health": {"path": "/"}},
            "job": {"image": "shop:1", "pull": "controller"},
        }
        stack = {"name": "shop", "domain": "shop.example.com", "services": services, "routes": []}
        stack["routes"] = [{"path": "/", "service": "web"}]
        assert building.built_here(stack) == ["web"]
        return building.build(stack, {"APP_SECRET": SECRET}, dict(gates), "no-hadolint"), engine

    return run


def test_an_image_is_built_here_with_its_secrets_and_by_its_builder(build: Any) -> None:
    (references, _), engine = build("all is well", builder="far")
    assert references == ["sluice/shop-web:build"]
    assert engine.asked == [("sluice/shop-web:build", "far", {"key": SECRET})]


@pytest.mark.parametrize("spelt", [SECRET, "planted%2Fsecret%2Bvalue"])
def test_a_build_that_says_a_secret_is_refused_without_showing_it(build: Any, spelt: str) -> None:
    with pytest.raises(UserError) as refused:
        build(f"step 1\nusing {spelt}\n")
    assert "log_secrets.build.web" in str(refused.value) and spelt not in str(refused.value)
    (_, warned), _ = build(f"using {spelt}", gates={"log_secrets": "warn"})
    assert [gate["status"] for gate in warned if gate["id"] == "log_secrets.build.web"] == ["warn"]
    (_, silent), _ = build(f"using {spelt}", gates={"log_secrets": "off"})
    assert "log_secrets.build.web" not in [gate["id"] for gate in silent]


def test_a_dockerfile_that_does_not_pass_is_not_built(build: Any) -> None:
    with pytest.raises(UserError, match=r"dockerfile\.web"):
        build(dockerfile="FROM base\n")


def test_a_failed_build_says_why_and_where_its_log_is(build: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError) as failed:
        build(f"npm: no such package, {SECRET}\n", fails=True)
    log = tmp_path / "cache/sluice/stacks/shop/web.log"
    assert "no such package" in str(failed.value) and str(log) in str(failed.value)
    assert SECRET not in str(failed.value)
