"""Lookup, domains, source, fingerprint, redaction, log scan, settings and rendering."""

from __future__ import annotations

import base64
import time

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.composefile import check_compose_file
from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.domains import Domain, plan_domains
from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.fingerprint import (
    fingerprint,
    join_description,
    split_description,
)
from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.logscan import known_secrets, scan_logs
from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.lookup import find_place
from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.render import render_stack, stack_domains
from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.settings import check_settings
from ansible_collections.sluice.deploy.plugins.module_utils.dokploy.source import GitSource
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.secretvalues.redaction import Redactor, mask_assignments
from ansible_collections.sluice.deploy.plugins.module_utils.secretvalues.values import redact
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack

PROJECTS = [
    {
        "projectId": "p1",
        "name": "crm",
        "environments": [
            {"environmentId": "e1", "name": "production", "compose": [{"composeId": "c1", "name": "app"}]},
            {"environmentId": "e2", "name": "staging", "compose": []},
            {"environmentId": "e3", "name": "staging", "compose": []},
        ],
    },
    {"projectId": "p2", "name": "crm-old", "environments": []},
]


def test_lookup_is_exact_and_goes_as_far_as_it_can():
    assert find_place(PROJECTS, "crm", "production", "app").compose_id == "c1"
    place = find_place(PROJECTS, "crm", "production", "ap")
    assert (place.environment_id, place.compose_id) == ("e1", None)
    assert find_place(PROJECTS, "cr").project_id is None
    with pytest.raises(UserError, match=r"2 environments are named 'staging' .*e2, e3"):
        find_place(PROJECTS, "crm", "staging")


STORED = {
    "domainId": "d1", "host": "CRM.example.com", "path": "/", "serviceName": "web", "port": 80, "https": True,
    "certificateType": "letsencrypt", "customCertResolver": None, "internalPath": "/", "stripPath": False,
    "middlewares": [], "enabled": True,
}  # fmt: skip


def test_domains_are_compared_field_by_field():
    same = Domain("CRM.example.com", "web", 80)
    assert not plan_domains([STORED], [same])
    assert plan_domains([STORED | {"enabled": False}], [same]).update == {
        "d1": {"host": "crm.example.com", "enabled": True}
    }
    changed = plan_domains([STORED], [Domain("crm.example.com", "web", 80, https=False)])
    assert changed.update["d1"] == {"host": "crm.example.com", "https": False, "certificateType": "none"}
    assert not plan_domains([STORED | {"middlewares": None}], [same])


def test_domains_of_other_paths_are_others():
    api = Domain("crm.example.com", "api", 81, path="/api")
    assert [d["path"] for d in plan_domains([STORED], [api]).create] == ["/api"]
    assert plan_domains([STORED], [api], purge=True).delete == {"d1": "crm.example.com/"}
    assert not plan_domains([STORED], [api], present=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *(
            ({"host": host}, "is not a domain name; write one such as crm.example.com")
            for host in ("https://x", "*.example.com", "a_b.example.com", "a b", " ", "", "example..com", "x" * 64)
        ),
        ({"host": "\u0440\u0430ypal.example"}, "mixes the scripts cyrillic, latin"),
        ({"host": "x", "port": 0}, "port must be"),
        ({"host": "x", "path": "api"}, "must start with /"),
        ({"host": "x", "certificate": "custom"}, "needs certificate_resolver"),
    ],
)
def test_domain_input(arguments, message):
    with pytest.raises(UserError, match=message):
        Domain(**{"service": "web", "port": 80, **arguments})


def test_a_host_name_is_sent_as_it_is_compared():
    assert Domain("CRM.Example.com.", "web", 80).fields()["host"] == "crm.example.com"
    assert Domain("Bücher.example", "web", 80).fields()["host"] == "xn--bcher-kva.example"


def test_a_domain_listed_twice():
    with pytest.raises(UserError, match="listed twice"):
        plan_domains([], [Domain("x", "a", 1), Domain("X", "b", 2)])


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        ("git://h/x.git", None, "Dokploy refuses"),
        ("file:///x", None, "Dokploy refuses"),
        ("git@h:x.git", None, "set git_ssh_key_id"),
        ("https://token:x@h/x.git", None, "holds credentials"),
        ("nonsense", None, "must be an https"),
    ],
)
def test_git_input(url, key, message):
    with pytest.raises(UserError, match=message):
        GitSource(url, ssh_key_id=key)


def test_git_by_ssh_with_a_key():
    assert GitSource("git@h:x.git", ssh_key_id="k").fields()["customGitSSHKeyId"] == "k"


COMPOSE = {"composeId": "c1", "sourceType": "raw", "composeFile": "a", "env": "A=1\nB='2'", "domains": [STORED]}


def test_fingerprint_follows_what_is_deployed():
    mark = fingerprint(COMPOSE)
    assert fingerprint(COMPOSE | {"env": "B=2\n# x\nA=1", "description": "x", "name": "y"}) == mark
    assert fingerprint(COMPOSE | {"customGitUrl": "unused by raw"}) == mark
    for change in (
        {"composeFile": "b"},
        {"env": "A=1\nB=3"},
        {"domains": [STORED | {"port": 81}]},
        {"composeId": "c2"},
        {"environment": {"env": "SHARED=1"}},
    ):
        assert fingerprint(COMPOSE | change) != mark, change


def test_the_mark_in_a_description():
    mark = fingerprint(COMPOSE)
    for text in ("", "our CRM", "with [brackets]"):
        assert split_description(join_description(text, mark)) == (text, mark)
    assert split_description(None) == ("", "")


SECRET = "pa$$ \"w'rd/+1"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        "pa%24%24%20%22w%27rd%2F%2B1",
        "pa$$ \\\"w'rd/+1",
        "pa\\$\\$ \\\"w'rd/+1",
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f'KEY="x"\nSECRET="{SECRET}"\nMORE="y"'.encode()).decode(),
        SECRET.encode().hex(),
    ],
)
def test_redaction_takes_every_form_out_whole(form):
    assert Redactor([SECRET])(f"before {form} after") == "before [redacted] after"


def test_redaction_leaves_the_rest():
    text = "https://crm.example.com/a?b=c sha256:0123456789abcdef0123456789abcdef"
    assert Redactor([SECRET, "abc"])(text) == text
    assert Redactor()("git clone https://user:token@h/x") == "git clone https://[redacted]@h/x"


PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nlast line\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "block", [PEM, PEM.replace("\n", "\\n"), PEM.partition("-----END")[0], PEM.replace("RSA ", "")]
)
@pytest.mark.parametrize("mask", [Redactor(), mask_assignments, lambda text: redact(text, [])])
def test_a_private_key_is_masked_whoever_it_belongs_to(block, mask):
    shown = mask(f"before\n{block}")
    assert shown.startswith("before\n") and "MII" not in shown and "last line" not in shown


def test_base64_that_hides_a_private_key_is_masked():
    assert Redactor()(base64.b64encode(PEM.encode()).decode()) == "[redacted]"


@pytest.mark.parametrize("mask", [Redactor(["a-known-secret"]), mask_assignments])
@pytest.mark.parametrize("text", ["\n" * 200_000, " \n" * 100_000, "-----BEGIN " * 20_000, "A" * 200_000])
def test_masking_takes_time_in_proportion(mask, text):
    started = time.process_time()
    assert mask(text) == text
    assert time.process_time() - started < 2


def test_log_scan_names_the_secret_and_never_its_value():
    result, found = scan_logs({"x": f"a\nb {SECRET}\nc"}, {"APP": SECRET, "SHORT": "x1"}, fail=True)
    assert result["status"] == "fail" and "Value of APP" in result["evidence"][0]
    assert SECRET not in str(result) and SECRET in found
    assert scan_logs({"x": "clean"}, {"APP": SECRET}, fail=True)[0]["status"] == "pass"


def test_log_scan_finds_credentials_that_no_one_named():
    result, found = scan_logs({"x": "cloning https://bot:t0ken-9f8a7b6c@h/x"}, {}, fail=False)
    assert result["status"] == "warn" and found == ["t0ken-9f8a7b6c"]


def test_what_an_environment_calls_a_secret_is_one():
    assert known_secrets("API_KEY=abcdef\nMODE=plain\nEMPTY_TOKEN=", {"X": "y"}) == {"API_KEY": "abcdef", "X": "y"}


def settings(given: dict, url: str = "https://x", letsencrypt: bool = True) -> dict[str, str]:
    return {gate["id"]: gate["status"] for gate in check_settings(given, url=url, letsencrypt=letsencrypt)}


def test_settings_that_hurt():
    bad = {"enableDockerCleanup": True, "letsEncryptEmail": "test@localhost.com"}
    assert set(settings(bad, "http://dokploy.internal:3000").values()) == {"warn"}
    good = {"enableDockerCleanup": False, "letsEncryptEmail": "ops@acme.dev"}
    assert set(settings(good).values()) == set(settings(good, "http://127.0.0.1:3000").values()) == {"pass"}
    assert "dokploy.acme_email" not in settings({}, letsencrypt=False)


STACK = {
    "name": "crm",
    "domain": "crm.example.com",
    "domain_aliases": ["www.example.com"],
    "services": {
        "server": {
            "image": "example/server:1",
            "port": 3000,
            "health": {"path": "/healthz"},
            "read_only": True,
            "env": {"PRICE": "5$"},
            "secrets": ["APP_SECRET", {"name": "DB", "as": "file"}],
        },
        "worker": {"image": "example/server:1", "command": ["work"]},
        "postgres": {
            "image": "postgres:17",
            "stateful": True,
            "health": {"command": ["pg_isready"]},
            "volumes": ["db:/d"],
        },
    },
    "routes": [{"path": "/", "service": "server"}],
    "hooks": {"pre_release": {"service": "server", "command": ["migrate"]}},
}


def test_a_secret_within_a_command_is_a_reference_of_dokploys():
    services = {"a": {"image": "a", "command": ["--key=%SECRET.KEY%$x"], "secrets": [{"name": "KEY", "as": "text"}]}}
    text = render_stack(parse_stack({"name": "crm", "services": services}))
    assert "--key=${KEY:?not set in the environment of this service}$$x" in text


def test_a_stack_is_rendered_fit_for_dokploy():
    import yaml

    text = render_stack(parse_stack(STACK))
    assert check_compose_file(text).services == ("postgres", "server", "worker", "pre-release")
    compose = yaml.safe_load(text)
    server, worker, hook = (compose["services"][name] for name in ("server", "worker", "pre-release"))
    assert "networks" not in compose, "Dokploy adds those that it routes on"
    assert server["environment"]["APP_SECRET"].startswith("${APP_SECRET:?")
    assert server["environment"]["PRICE"] == "5$$"
    assert compose["secrets"] == {"DB": {"environment": "DB"}}
    assert "read_only" not in server, "Compose cannot copy a secret into a read-only root"
    assert server["depends_on"]["pre-release"] == {"condition": "service_completed_successfully"}
    assert worker["depends_on"]["server"] == {"condition": "service_healthy"}
    assert hook["restart"] == "no" and hook["entrypoint"] == ["migrate"]
    assert hook["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for service in compose["services"].values():
        assert not {"container_name", "external_links", "ports", "networks"} & set(service)
    assert compose["volumes"] == {"db": {}}


def test_a_git_build_is_a_context_of_its_own():
    build = {"git": "https://h/x.git", "ref": "v1", "context": "app", "target": "t", "secrets": {"npm": "TOKEN"}}
    services = {**STACK["services"], "worker": {"build": build}}
    text = render_stack(parse_stack({**STACK, "services": services}))
    assert 'context: "https://h/x.git#v1:app"' in text and "environment: TOKEN" in text


def test_routes_become_domains():
    assert stack_domains(parse_stack(STACK)) == [
        {"host": host, "path": "/", "service": "server", "port": 3000}
        for host in ("crm.example.com", "www.example.com")
    ]
