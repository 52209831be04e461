"""The Compose files of a stack."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Health
from ansible_collections.sluice.deploy.plugins.module_utils.stack import compose as render
from ansible_collections.sluice.deploy.plugins.module_utils.stack.compose_runtime import _probe
from ansible_collections.sluice.deploy.plugins.module_utils.stack.override import secrets_override, with_texts
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack

DESCRIPTION: dict[str, Any] = {
    "name": "crm",
    "services": {
        "api": {
            "image": "api:1",
            "port": 3000,
            "health": {"path": "/healthz", "interval": "500ms"},
            "env": {"PRICE": "$5 $${HOME}", "DEBUG": False},
            "secrets": ["TOKEN", {"name": "KEY", "as": "file"}],
            "volumes": ["files:/files", "/etc/x:/x:ro"],
            "read_only": True,
            "limits": {"memory": "512m", "cpus": 1.5, "pids": 100},
            "command": ["run", "$x"],
        },
        "jobs": {"image": "api:1", "order": "stop_first"},
        "db": {"image": "db:1", "stateful": True, "port": 5432, "volumes": ["db:/data"]},
    },
    "routes": [{"path": "/", "service": "api"}],
}
IMAGES = {"api": "api:1@sha256:1", "jobs": "api:1@sha256:1", "db": "db:1@sha256:2"}


def release(**changes: Any) -> dict[str, Any]:
    stack = parse_stack(DESCRIPTION | changes)
    text = render.compose_text(render.release_compose(stack, IMAGES, "sluice-edge", True))
    return dict(yaml.safe_load(text))


def test_a_web_service() -> None:
    api = release()["services"]["api"]
    assert api["image"] == "api:1@sha256:1"
    assert api["container_name"] == "crm-${COLOUR}-api"
    assert api["networks"] == {"private": {}, "edge": {"aliases": ["crm-${COLOUR}-api"]}}
    assert api["read_only"] is True
    assert api["tmpfs"] == ["/tmp"]
    assert api["deploy"] == {"resources": {"limits": {"memory": "512m", "cpus": "1.5", "pids": 100}}}
    assert api["healthcheck"]["interval"] == "500ms"
    assert api["volumes"] == ["files:/files", "/etc/x:/x:ro"]
    assert "ports" not in api


def test_an_image_that_cannot_ask_gets_no_check_that_could_only_fail() -> None:
    services = render.release_compose(parse_stack(DESCRIPTION), IMAGES, "", True, {"api"})["services"]
    assert "healthcheck" not in services["api"]
    assert services["jobs"]["depends_on"] == {"api": {"condition": "service_started"}}


def test_dollars_are_for_the_container_and_not_for_compose() -> None:
    api = release()["services"]["api"]
    assert api["environment"]["PRICE"] == "$$5 $${HOME}"
    assert api["environment"]["DEBUG"] == "false"
    assert api["command"] == ["run", "$$x"]


def test_secrets_stand_in_no_compose_file() -> None:
    compose = release()
    assert "TOKEN" not in compose["services"]["api"]["environment"]
    assert compose["services"]["api"]["environment"]["KEY_FILE"] == "/run/secrets/KEY"
    assert compose["secrets"] == {"api_KEY": {"file": "./secrets/api/KEY"}}


def test_names_of_siblings_mean_the_same_colour() -> None:
    services = release()["services"]
    assert services["jobs"]["external_links"] == ["crm-${COLOUR}-api:api", "crm-db:db"]
    assert services["jobs"]["depends_on"] == {"api": {"condition": "service_healthy"}}
    assert services["jobs"]["networks"] == {"private": {}}


def test_fixed_names() -> None:
    services = release(strategy="recreate")["services"]
    assert [s["container_name"] for s in services.values()] == ["crm-api", "crm-jobs"]


def test_the_stateful_services_are_apart_and_off_the_edge() -> None:
    stack = parse_stack(DESCRIPTION)
    data = render.data_compose(stack, IMAGES, False)
    assert list(data["services"]) == ["db"]
    assert list(data["networks"]) == ["private"]
    assert data["volumes"] == {"db": {"name": "crm_db", "external": True}}
    assert "SETUID" in data["services"]["db"]["cap_add"]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
@settings(max_examples=150, derandomize=True)
def test_any_secret_goes_through_the_override_unchanged(value: str) -> None:
    stack = parse_stack(DESCRIPTION)
    override = yaml.safe_load(secrets_override(stack.released, {"TOKEN": value}))
    assert override["services"]["api"]["environment"]["TOKEN"].replace("$$", "$") == value


def test_a_health_check_asks_as_the_edge_does() -> None:
    test = _probe(Health(path="/up"), 3000, "crm.example.com")[1]
    for option in ("-H", "--header"):
        asked = f"{option} 'Host: crm.example.com' {option} 'X-Forwarded-Proto: https' 'http://127.0.0.1:3000/up'"
        assert asked in test
    assert "python3 -c" in test
    assert "'Host'" not in _probe(Health(path="/up"), 3000, "")[1]


class App(BaseHTTPRequestHandler):
    """Answers with the status that its path names; a redirect leads to a page that is well."""

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(scope="module")
def app() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), App) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("client", ["curl", "wget", "busybox", "node", "python3"])
@pytest.mark.parametrize("status", [200, 204, 302, 404, 503])
def test_each_client_of_an_image_takes_a_redirect_for_no_health(
    client: str, status: int, app: int, tmp_path: Path
) -> None:
    program = shutil.which(client)
    if not program:
        pytest.skip(f"{client} is not on this machine")
    (tmp_path / ("wget" if client == "busybox" else client)).symlink_to(program)
    kind, script = _probe(Health(path=f"/{status}"), app, "crm.example.com")
    assert kind == "CMD-SHELL"
    done = subprocess.run(
        ["/bin/sh", "-c", script.replace("$$", "$")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == (status < 300), done.stdout + done.stderr
    if status == 302 and client in ("curl", "wget", "busybox"):
        assert "status 302" in done.stdout


TEXTS: dict[str, Any] = {
    "name": "crm",
    "services": {
        "api": {
            "image": "api:1",
            "command": ["serve", "--token=%SECRET.TOKEN%", "$x"],
            "health": {"test": "ask %SECRET.TOKEN%", "interval": "1s"},
            "secrets": [{"name": "TOKEN", "as": "text"}, {"name": "OTHER", "env": "command"}],
        },
        "jobs": {"image": "api:1", "command": ["work"], "secrets": ["OTHER"]},
    },
}
PLANTED = "a$b'c\"d\n#"


def test_a_secret_within_a_text_stands_in_the_override_alone() -> None:
    stack = parse_stack(TEXTS)
    text = render.compose_text(render.release_compose(stack, {"api": "api:1", "jobs": "api:1"}, "", True))
    assert yaml.safe_load(text)["services"]["api"]["command"][1] == "--token=%SECRET.TOKEN%"
    assert "%SECRET" not in str(yaml.safe_load(text)["services"]["api"].get("environment"))
    override = yaml.safe_load(secrets_override(stack.released, {"TOKEN": PLANTED, "OTHER": "o"}))["services"]
    doubled = PLANTED.replace("$", "$$")
    assert override["api"]["command"] == ["serve", f"--token={doubled}", "$$x"]
    assert override["api"]["healthcheck"] == {"test": ["CMD-SHELL", f"ask {doubled}"]}
    assert override["jobs"] == {"environment": {"OTHER": "o"}}


def test_a_secret_within_a_text_is_renewed_and_nothing_else() -> None:
    stack = parse_stack(TEXTS)
    before = secrets_override(stack.released, {"TOKEN": PLANTED, "OTHER": "o"})
    after = with_texts(before, stack.services["api"], {"TOKEN": "new"})
    assert yaml.safe_load(after) == yaml.safe_load(secrets_override(stack.released, {"TOKEN": "new", "OTHER": "o"}))


def test_a_text_that_stands_for_a_secret_wants_one() -> None:
    services = {"api": {"image": "api:1", "command": ["serve", "%SECRET.TOKEN%"]}}
    with pytest.raises(UserError, match=r"stack_services.api.command: %SECRET.TOKEN% .*as: text"):
        parse_stack({"name": "crm", "services": services})


def test_a_file_of_which_no_variable_speaks() -> None:
    services = {"api": {"image": "api:1", "secrets": [{"name": "KEY", "as": "file", "env": False}]}}
    stack = parse_stack({"name": "crm", "services": services})
    rendered = render.release_compose(stack, {"api": "api:1"}, "", True)["services"]["api"]
    assert "environment" not in rendered
    assert rendered["secrets"] == [{"source": "api_KEY", "target": "KEY"}]


@pytest.mark.parametrize(
    ("told", "logging"),
    [
        ({}, {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}),
        (
            {"options": {"max-size": "1m", "compress": True}},
            {"driver": "json-file", "options": {"max-size": "1m", "max-file": "5", "compress": "true"}},
        ),
        ({"driver": "local"}, {"driver": "local", "options": {"max-size": "10m", "max-file": "5"}}),
        ({"driver": "journald", "options": {"tag": "a$b"}}, {"driver": "journald", "options": {"tag": "a$$b"}}),
        ({"driver": "engine"}, None),
    ],
)
def test_where_every_services_log_goes(told: dict[str, Any], logging: dict[str, Any] | None) -> None:
    services: dict[str, Any] = {"web": {"image": "a", "role": "worker"}, "db": {"image": "b", "stateful": True}}
    services["own"] = {"image": "c", "role": "worker", "runtime": {"logging": {"driver": "none"}}}
    stack = parse_stack({"name": "crm", "services": services, "logging": told})
    images = dict.fromkeys(services, "i")
    released = render.release_compose(stack, images, "", True)["services"]
    assert released["web"].get("logging") == logging
    assert render.data_compose(stack, images, True)["services"]["db"].get("logging") == logging
    assert released["own"]["logging"] == {"driver": "none"}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"driver": "json"}, "stack_logging.driver: 'json' is none of"),
        ({"driver": "jornald"}, "did you mean 'journald'?"),
        (
            {"driver": "local", "options": {"max_size": "1m"}},
            "stack_logging.options.max_size: unknown key (did you mean 'max-size'?).",
        ),
        ({"driver": "journald", "options": {"max-size": "1m"}}, "stack_logging.options.max-size: unknown key"),
        ({"driver": "gelf"}, "stack_logging.options.gelf-address is missing"),
        ({"driver": "engine", "options": {"tag": "x"}}, "stack_logging.options: the engine's own count"),
        ({"drivr": "local"}, "stack_logging.drivr: unknown key (did you mean 'driver'?)."),
    ],
)
def test_a_log_driver_that_is_not_said_well_is_refused_by_name(told: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        parse_stack({"name": "crm", "services": {"web": {"image": "a", "role": "worker"}}, "logging": told})
    assert said in str(refused.value)
