"""Holds what the modules send, and what the stand-in answers, against records of a real Dokploy v0.30.2.

The records are no part of the project: its API description and some of its answers, in `../shared/dokploy`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from ansible_collections.sluice.deploy.tests.standin_dokploy.convert import convert
from ansible_collections.sluice.deploy.tests.standin_dokploy.procedures import MUTATIONS, QUERIES

RECORDS = Path(__file__).resolve().parents[4].parent / "shared/dokploy"
with_records = pytest.mark.skipif(not RECORDS.is_dir(), reason="no records of a real server beside the project")

COMPOSE_FILE = "services:\n  web:\n    image: x\n"
DOMAIN = {"host": "crm.example.com", "service": "web", "port": 8000}


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    (file,) = RECORDS.glob("openapi-*.json")
    return json.loads(file.read_text())["paths"]


@pytest.fixture
def calls(dokploy):
    """Every call of a whole life on the server: made, configured, deployed, changed, removed."""
    calls = []

    def run(module: str, **arguments):
        result = dokploy.run(module, **arguments)
        assert not result.get("failed"), result
        calls.extend(dokploy.calls)
        return result

    run("dokploy_project", name="crm", description="x")
    run("dokploy_project", name="crm", description="y")
    run("dokploy_environment", project="crm", name="staging", description="x")
    run("dokploy_environment", project="crm", name="staging", description="y")
    place = {"project": "crm", "environment": "staging", "name": "app"}
    made = run(
        "dokploy_compose", **place, app_name="app", compose_file=COMPOSE_FILE, secrets={"TOKEN": "b cde"}, command=""
    )
    of_service = {"compose_id": made["compose_id"]}
    run("dokploy_domain", **of_service, domains=[DOMAIN])
    run("dokploy_domain", **of_service, domains=[{**DOMAIN, "https": False, "middlewares": ["a@file"]}])
    run("dokploy_deployment", **of_service)
    run("dokploy_domain", **of_service, domains=[DOMAIN], state="absent")
    dokploy.engine.repository = COMPOSE_FILE
    run("dokploy_compose", **place, git_url="https://h/x.git", description="x")
    run("dokploy_compose", **place, git_url="https://h/x.git")
    run("dokploy_deployment", **of_service, revision="a" * 40)
    run("dokploy_deployment", **of_service, state="stopped")
    run("dokploy_info", gather=["place", "settings", "version"])
    run("dokploy_api_key", admin_email="a@example.com", admin_password="long-enough")
    run("dokploy_compose", **place, state="absent")
    run("dokploy_environment", project="crm", name="staging", state="absent")
    run("dokploy_project", name="crm", state="absent")
    return [call for call in calls if not call[1].startswith("auth/")]


@with_records
def test_every_request_is_one_that_the_real_server_describes(calls, description):
    wrong = []
    for method, procedure, values in calls:
        operation = description.get(f"/{procedure}", {}).get(method.lower())
        if operation is None:
            wrong.append(f"{method} {procedure} does not exist")
        elif method == "GET":
            known = {p["name"]: p.get("required") for p in operation.get("parameters", [])}
            wrong += [f"{procedure}: {name} is unknown" for name in values if name not in known]
            wrong += [f"{procedure}: {name} is missing" for name, need in known.items() if need and name not in values]
        else:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            wrong += [f"{procedure}: {text}" for text in mismatches(values, schema)]
    assert not wrong
    sent = {procedure for _, procedure, _ in calls}
    # The modules around a service are held to recorded pairs instead.
    rooms = ("compose", "domain", "environment", "project")
    of_services = {name for name in {*QUERIES, *MUTATIONS} if name.partition(".")[0] in rooms}
    left = of_services - sent - {"compose.readLogs"}
    assert not left, left


def mismatches(value: Any, schema: dict[str, Any], where: str = "body") -> list[str]:
    """Where a value does not fit its JSON schema, as far as the real server's description uses it."""
    if "anyOf" in schema:
        tries = [mismatches(value, option, where) for option in schema["anyOf"]]
        return [] if any(not found for found in tries) else tries[0]
    types = {"string": str, "boolean": bool, "number": (int, float), "object": dict, "array": list, "null": type(None)}
    if "type" in schema and not isinstance(value, types[schema["type"]]):
        return [f"{where} is not a {schema['type']}"]
    if isinstance(value, bool) and schema.get("type") == "number":
        return [f"{where} is a boolean"]
    found = [f"{where} is not one of the choices"] if value not in schema.get("enum", [value]) else []
    if isinstance(value, str) and len(value) < schema.get("minLength", 0):
        found.append(f"{where} is too short")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{where}.{name} is missing" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            found += mismatches(item, known[name], f"{where}.{name}") if name in known else [f"{where}.{name} unknown"]
    return found


@with_records
def test_the_stand_in_offers_only_what_exists_and_asks_for_what_is_required(description):
    for procedures, method in ((QUERIES, "get"), (MUTATIONS, "post")):
        # The description beside the project has a part of the procedures; the recorded pairs hold the others.
        described = {name: required for name, required in procedures.items() if f"/{name}" in description}
        assert len(described) > 5, described
        for procedure, required in described.items():
            operation = description[f"/{procedure}"][method]
            if method == "get":
                needed = [p["name"] for p in operation.get("parameters", []) if p.get("required")]
            else:
                needed = operation["requestBody"]["content"]["application/json"]["schema"].get("required", [])
            assert set(required) == set(needed) | (set(required) & {"containerId"}), procedure


SAMPLES = {
    "compose.create.txt": ("compose.create", {"name": "app", "environmentId": "{environment}", "sourceType": "raw"}),
    "compose.one.git.json": ("compose.one", {"composeId": "{git}"}),
    "compose.one.raw.json": ("compose.one", {"composeId": "{compose}"}),
    "deployment.allByCompose.json": ("deployment.allByCompose", {"composeId": "{compose}"}),
    "deployment.queueList.json": ("deployment.queueList", {}),
    "deployment.readLogs.json": ("deployment.readLogs", {"deploymentId": "{deployment}"}),
    "domain.byComposeId.json": ("domain.byComposeId", {"composeId": "{compose}"}),
    "domain.create.txt": ("domain.create", {"host": "x", "composeId": "{compose}", "serviceName": "web"}),
    "environment.one.json": ("environment.one", {"environmentId": "{environment}"}),
    "project.all.json": ("project.all", {}),
    "project.create.txt": ("project.create", {"name": "crm", "description": "t"}),
    "settings.getWebServerSettings.json": ("settings.getWebServerSettings", {}),
}
# The stand-in has only those of the server's settings that the modules read.
IN_PART = ("settings.getWebServerSettings.json",)


@with_records
@pytest.mark.parametrize("sample", SAMPLES)
def test_answers_have_the_shape_of_the_real_ones(dokploy, sample):
    dokploy.run("dokploy_project", name="crm", description="x")
    made = dokploy.run(
        "dokploy_compose", project="crm", name="app", compose_file=COMPOSE_FILE, secrets={"TOKEN": "bcde"}
    )
    dokploy.run("dokploy_domain", compose_id=made["compose_id"], domains=[DOMAIN])
    deployed = dokploy.run("dokploy_deployment", compose_id=made["compose_id"])
    git = dokploy.run("dokploy_compose", project="crm", name="git", git_url="https://git.example.com/a.git")
    store = dokploy.standin.store
    ids = {
        "compose": made["compose_id"],
        "git": git["compose_id"],
        "deployment": deployed["deployment_id"],
        "environment": next(iter(store.environments)),
    }
    procedure, values = SAMPLES[sample]
    filled = {key: value.format(**ids) for key, value in values.items()}
    answer = dokploy.standin.procedures.call(procedure, filled)
    text = (RECORDS / "samples" / sample).read_text().strip().removesuffix("[200]")
    found = differences(answer, json.loads(text), procedure)
    assert not [line for line in found if sample not in IN_PART or not line.endswith("is missing")]


def differences(ours: Any, real: Any, where: str) -> list[str]:
    """Keys and types that differ; null says nothing of a type."""
    if ours is None or real is None:
        return []
    if type(ours) is not type(real):
        return [f"{where}: {type(ours).__name__} instead of {type(real).__name__}"]
    if isinstance(ours, list):
        return differences(ours[0], real[0], f"{where}[0]") if ours and real else []
    if not isinstance(ours, dict):
        return []
    found = [f"{where}.{key} is missing" for key in real if key not in ours]
    found += [f"{where}.{key} is not in the record" for key in ours if key not in real]
    for key in ours.keys() & real.keys():
        found += differences(ours[key], real[key], f"{where}.{key}")
    return found


ADMIN = {"email": "ops@example.com", "password": "long-enough", "name": "A", "lastName": "B"}
SIGN_UP, SIGN_IN = "auth/sign-up/email", "auth/sign-in/email"


def call(dokploy, procedure: str, body: Any = None, *, session: requests.Session | None = None, **headers: str):
    """A request as curl would send it: a status and what the body says."""
    method = "GET" if body is None else "POST"
    answer = (session or requests).request(
        method, f"{dokploy.standin.url}/api/{procedure}", json=body, headers={"x-api-key": dokploy.key, **headers}
    )
    return answer.status_code, answer.json() if answer.content else None


def test_signing_up_and_in_as_the_real_server_has_it(dokploy):
    assert call(dokploy, SIGN_UP, {**ADMIN, "password": "short"})[1]["code"] == "PASSWORD_TOO_SHORT"
    session = requests.Session()
    assert call(dokploy, SIGN_UP, ADMIN, session=session)[0] == 200
    status, said = call(dokploy, SIGN_IN, ADMIN, session=session)
    assert (status, said["code"]) == (403, "MISSING_OR_NULL_ORIGIN")
    assert call(dokploy, SIGN_IN, ADMIN)[0] == 200
    status, said = call(dokploy, SIGN_UP, ADMIN)
    assert (status, said["code"]) == (422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL")
    dokploy.standin.store.admin["two_factors"] = True
    assert call(dokploy, SIGN_IN, ADMIN) == (200, {"twoFactorRedirect": True})


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("labels", [["a=b"], {"a": "b"}])
def test_labels_and_networks_are_added_as_the_real_server_does(labels, isolated):
    text = json.dumps({"services": {"web": {"labels": labels}}})
    domain = {**DOMAIN, "serviceName": "web", "uniqueConfigKey": 1, "path": "/", "https": True, "middlewares": []}
    compose = yaml.safe_load(
        convert(text, {"appName": "app-x", "isolatedDeployment": isolated}, [{**domain, "certificateType": "none"}])
    )
    web, network = compose["services"]["web"], "app-x" if isolated else "dokploy-network"
    found = [f"{k}={v}" for k, v in web["labels"].items()] if isinstance(labels, dict) else web["labels"]
    for label in (
        "a=b",
        f"traefik.docker.network={network}",
        "traefik.http.routers.app-x-1-web.service=app-x-1-web",
        "traefik.http.routers.app-x-1-websecure.tls=true",
    ):
        assert label in found
    assert web["networks"] == ([network] if isolated else [network, "default"])
    assert compose["networks"][network]["external"] is True


def test_a_key_counts_whatever_else_is_sent(dokploy):
    assert call(dokploy, "project.all", authorization="Basic eDp5") == (200, [])
