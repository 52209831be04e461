from __future__ import annotations

import pathlib
import re

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.filter.settings import setting_mistakes, unknown_settings
from ansible_collections.sluice.deploy.plugins.module_utils.edge.certificates import self_signed
from ansible_collections.sluice.deploy.plugins.plugin_utils.judging import CERTIFICATE

PARTS = ("docker_host", "nginx_certbot", "compose_stack", "verify")
SERVICE = {"image": "api:1", "port": 80, "health": {"path": "/"}, "secrets": ["TOKEN"]}
GOOD = {
    "stack_name": "shop",
    "stack_domain": "shop.example.com",
    "stack_services": {"api": SERVICE},
    "stack_routes": [{"path": "/", "service": "api"}],
    "stack_secrets": {"TOKEN": "planted-k8d2#xyz"},
    "nginx_certbot_email": "ops@example.com",
}
ROLES = pathlib.Path(__file__).resolve().parents[4] / "roles"


@pytest.fixture
def role(tmp_path):
    specs = {"argument_specs": {"main": {"options": {"edge_port": {}, "edge_acme_email": {}}}}}
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/argument_specs.yml").write_text(yaml.safe_dump(specs))
    return str(tmp_path)


def test_misspelt_names_get_a_hint(role):
    assert unknown_settings(["edge_prot", "edge_port"], role) == [
        "edge_prot is not a setting (did you mean 'edge_port'?)"
    ]


def test_names_far_from_any_are_named_all_the_same(role):
    assert unknown_settings(["edge_zzz"], role) == ["edge_zzz is not a setting"]


@pytest.mark.parametrize(
    "role", sorted(p.parent.parent for p in ROLES.glob("*/meta/argument_specs.yml")), ids=lambda p: p.name
)
def test_every_role_looks_at_its_own_names(role):
    said = f"query('ansible.builtin.varnames', '^{role.name}_') | sluice.deploy.unknown_settings(role_path)"
    assert any(said in tasks.read_text(encoding="utf-8") for tasks in role.glob("tasks/*.yml"))


def mistakes(parts=PARTS, **changed) -> list[str]:
    told = setting_mistakes({**GOOD, **changed}, parts, str(ROLES))
    assert "planted" not in "".join(told)
    return told


def test_a_good_deployment_has_none():
    assert mistakes() == []


def test_every_mistake_of_every_part_is_named_in_one_answer():
    told = mistakes(
        stack_drain="soon",
        nginx_certbot_http_port="planted",
        nginx_certbot_https_port=70000,
        nginx_certbot_body_size="much",
        nginx_certbot_trusted_proxies=["10.0.0.0/8", "here"],
        nginx_certbot_rate_limits={"api": "fast", "a b": "1r/s"},
        nginx_certbot_request_header_size="1GiB",
        nginx_certbot_shutdown_timeout=-1,
        nginx_certbot_retry_after=0,
        nginx_certbot_stream_timeout=10**9,
        nginx_certbot_dns_propagation=-5,
        nginx_certbot_network="a network",
        nginx_certbot_security_headers={"X Frame": "a", "X-B": "a\nb"},
        nginx_certbot_aliases="both",
        nginx_certbot_basic_auth={"a:b": "planted", "": "planted-long"},
        nginx_certbot_acme_directory="http://[",
        nginx_certbot_csp_mod="app",
        compose_stack_minimum_free="some",
        compose_stack_gates={"smok": "fail"},
        compose_stack_keep_releases="planted",
        docker_host_log_max_size="",
        docker_host_min_memory="1 elephant",
        docker_host_firewall_allow=["http"],
        docker_host_registries={"ghcr.io": {"username": "u"}, "https://x": {"username": "u", "password": "planted"}},
        docker_host_notify=[{"kind": "pigeon"}],
        docker_host_source="there",
        verify_hedders={},
    )
    # In the order of the parts, and of a part's settings.
    assert [re.search(r"(stack|docker_host|nginx_certbot|compose_stack|verify)_[\w.]+", line)[0] for line in told] == [
        "stack_drain",
        "docker_host_source",
        "docker_host_log_max_size",
        "docker_host_firewall_allow",
        "docker_host_min_memory",
        "docker_host_registries.ghcr.io",
        "docker_host_registries.https",
        "docker_host_notify",
        "nginx_certbot_csp_mod",
        "nginx_certbot_http_port",
        "nginx_certbot_aliases",
        "nginx_certbot_basic_auth",
        "nginx_certbot_basic_auth",
        "nginx_certbot_basic_auth",
        "nginx_certbot_trusted_proxies",
        "nginx_certbot_network",
        "nginx_certbot_https_port",
        "nginx_certbot_request_header_size",
        "nginx_certbot_shutdown_timeout",
        "nginx_certbot_rate_limits.api",
        "nginx_certbot_rate_limits",
        "nginx_certbot_acme_directory",
        "nginx_certbot_dns_propagation",
        "nginx_certbot_security_headers",
        "nginx_certbot_security_headers.X",
        "nginx_certbot_body_size",
        "nginx_certbot_retry_after",
        "nginx_certbot_stream_timeout",
        "compose_stack_keep_releases",
        "compose_stack_minimum_free",
        "compose_stack_gates.smok",
        "verify_hedders",
    ], told


def test_what_asks_for_the_stack_is_judged_with_it():
    told = mistakes(
        stack_routes=[{"path": "/a%20b", "service": "api"}, {"path": "/b", "service": "api", "rate_limit": "apu"}],
        stack_domain_aliases=["*.example.com"],
        nginx_certbot_ports=[{"port": 443, "service": "api"}, {"port": 22, "service": "ap"}],
    )
    assert [line.partition(": ")[0] for line in told] == [
        "stack_routes[1].rate_limit",
        "nginx_certbot_ports[0].port",
        "nginx_certbot_ports[1].service",
        "stack_domain_aliases",
    ]


def test_a_stack_that_nobody_visits_has_no_use_for_the_edge_s_settings():
    alone = {"stack_domain": "", "stack_routes": [], "nginx_certbot_email": ""}
    db = {"image": "db:1", "stateful": True}
    assert mistakes(**alone, stack_services={"db": db}, stack_secrets={}) == []
    told = mistakes(**alone, nginx_certbot_ports=[{"port": 1883, "service": "api"}])
    assert [line.partition(": ")[0] for line in told] == ["stack_services.api", "nginx_certbot_ports"]


def test_of_parts_that_do_not_run_nothing_is_told():
    wrong = {"nginx_certbot_body_size": "much", "stack_drain": "soon", "docker_host_source": "there"}
    assert [line.partition(": ")[0] for line in mistakes(["docker_host"], **wrong)] == [
        "value of docker_host_source must be one of"
    ]
    assert [line.partition(": ")[0] for line in mistakes(["compose_stack"], **wrong)] == ["stack_drain"]
    assert mistakes(["nginx_certbot"], nginx_certbot_body_size="much", nginx_certbot_state="absent") == []


def test_secrets_are_looked_at_and_never_shown():
    (told,) = mistakes(stack_secrets={"TOKEN": 918273645})
    assert told.startswith("stack_secrets.TOKEN: expected text")
    assert "918273645" not in told
    assert mistakes(stack_secrets="planted") == ["stack_secrets: expected a mapping of name to value."]


def test_compose_files_that_could_not_be_read_yet_are_not_judged():
    unread = {**GOOD, "stack_compose": {"files": ["compose.yml"]}}
    del unread["stack_services"]
    assert setting_mistakes(unread, PARTS, str(ROLES)) == []


def test_a_certificate_of_ones_own_is_held_against_the_names():
    chain, key = (part.decode() for part in self_signed(("shop.example.com",)))
    own = {"certificate": chain, "key": key}
    given = {"nginx_certbot_certificate": "own", "nginx_certbot_email": ""}
    assert mistakes(**given, nginx_certbot_own_certificate=own) == []
    assert mistakes(**given) == ["nginx_certbot_own_certificate needs both certificate and key; at least one is empty."]
    (told,) = mistakes(**given, nginx_certbot_own_certificate=own, stack_domain_aliases=["www.example.com"])
    assert "does not cover www.example.com" in told


def test_an_authority_of_a_registry_is_read_where_it_is_known(tmp_path):
    (tmp_path / "ca.crt").write_bytes(self_signed(("registry",))[0])

    def of(place: str) -> list[str]:
        login = {"username": "u", "password_command": "planted"}
        return mistakes(docker_host_registries={"a.example": {"ca": place}, "b.example": {**login, "ca": place}})

    # Where a relative path leads, the role alone knows.
    assert of(f"{tmp_path}/ca.crt") == of("files/ca.crt") == []
    assert len(of(f"{tmp_path}/none.crt")) == 2


def test_the_edge_s_certificate_is_read_as_the_role_gives_it():
    given = yaml.safe_load((ROLES / "nginx_certbot/vars/main.yml").read_text())["_nginx_certbot_certificate"]
    secret = {"dns_credentials": "nginx_certbot_dns_credentials"}
    assert {**{of: f"nginx_certbot_{name}" for name, of in CERTIFICATE.items()}, **secret} == {
        of: value.strip("{ }") for of, value in given.items()
    }


NAMES = sorted(
    name
    for part in PARTS
    for name in yaml.safe_load((ROLES / part / "meta/argument_specs.yml").read_text())["argument_specs"]["main"][
        "options"
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("planted")
KEYS = st.text(max_size=8) | st.sampled_from(["ca", "username", "port", "path", "kind", "paths", "size", "service"])
ANYTHING = st.recursive(
    SCALARS, lambda of: st.lists(of, max_size=3) | st.dictionaries(KEYS, of, max_size=3), max_leaves=6
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from([*NAMES, *GOOD]), ANYTHING, max_size=6))
def test_no_value_of_a_setting_ends_it_otherwise_than_in_words(variables):
    assert all(isinstance(line, str) for line in setting_mistakes({**GOOD, **variables}, PARTS, str(ROLES)))
