"""The stack description: what it fills in, and the one sentence for each mistake."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.stack.fields import parse_duration
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack

GOOD: dict[str, Any] = {
    "name": "crm",
    "domain": "crm.example.com",
    "services": {
        "api": {"image": "api:1", "port": 3000, "health": {"path": "/healthz"}, "secrets": ["APP_SECRET"]},
        "site": {"image": "site:1", "port": "3001", "health": {"path": "/"}},
        "jobs": {"image": "api:1", "command": ["node", "worker.js"], "order": "stop_first"},
        "db": {
            "image": "postgres:16.4-alpine",
            "stateful": True,
            "port": 5432,
            "secrets": [{"name": "DB_PASSWORD", "as": "file", "env": "POSTGRES_PASSWORD_FILE"}],
            "volumes": ["db:/var/lib/postgresql/data"],
            "backup": "postgres",
        },
    },
    "routes": [{"path": "/api", "service": "api", "burst": 20}, {"path": "/", "service": "site"}],
    "hooks": {"pre_release": {"service": "api", "command": "node migrate.js"}},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good description with one value at a dotted path replaced."""
    description = copy.deepcopy(GOOD)
    node: Any = description
    *parents, last = path.split(".")
    for key in parents:
        node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
    node[last] = value
    return description


def test_roles_follow_from_ports_and_routes() -> None:
    stack = parse_stack(GOOD)
    assert [s.name for s in stack.web] == ["api", "site"]
    assert [s.name for s in stack.workers] == ["jobs"]
    assert [s.name for s in stack.stateful] == ["db"]
    assert stack.secret_names == ("APP_SECRET", "DB_PASSWORD")
    assert stack.services["site"].port == 3001


def test_a_file_secret_names_its_variable_and_mount() -> None:
    (secret,) = parse_stack(GOOD).services["db"].secrets
    assert (secret.variable, secret.mount) == ("POSTGRES_PASSWORD_FILE", "/run/secrets/DB_PASSWORD")


def test_a_text_command_goes_through_the_shell() -> None:
    hook = parse_stack(GOOD).pre_release
    assert hook is not None
    assert hook.command == ("/bin/sh", "-c", "node migrate.js")


def test_upstreams_name_stack_colour_and_service() -> None:
    assert parse_stack(GOOD).upstreams("blue") == {
        "api": ["crm-blue-api:3000"],
        "site": ["crm-blue-site:3001"],
    }


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("services.api.prot", 1, "stack_services.api.prot: unknown key (did you mean 'port'?)"),
        ("servces", {}, "stack_servces: unknown key (did you mean 'services'?)"),
        ("name", "CRM", "stack_name: 'CRM' is not a name"),
        ("name", "", "stack_name is missing"),
        ("services", {}, "stack_services is empty"),
        ("services", {"db": {"image": "a", "stateful": True}}, "every service is stateful"),
        ("services.api.image", None, "stack_services.api.image is missing"),
        ("services.api.health", None, "stack_services.api.health is missing"),
        ("services.api.port", None, "stack_services.api.health.path: give the service a port"),
        ("services.api.port", 0, "stack_services.api.port: 0 is not a whole number"),
        ("services.api.port", True, "stack_services.api.port: True is not"),
        ("services.api.read_only", "yes", "stack_services.api.read_only: expected true or false"),
        ("services.api.env", {"A": ""}, "stack_services.api.env.A is blank"),
        ("services.api.env", {"A B": "x"}, "stack_services.api.env.A B: a variable's name"),
        ("services.api.env", {"A": {"x": 1}}, "stack_services.api.env.A: expected text, not dict"),
        ("services.api.env", {"APP_SECRET": "x"}, "APP_SECRET is set twice"),
        ("services.api.fail_on_log", ["("], "'(' is not a regular expression"),
        ("services.api.volumes", ["x"], "stack_services.api.volumes[0]: 'x' is not name:/path"),
        ("services.api.build", {"git": "https://me:pw@host/x"}, "holds a password"),
        ("services.api.build", {"context": "app"}, "must be an absolute path"),
        ("services.api.build", {"git": "--upload-pack=x"}, "may start with a dash"),
        ("services.api.limits", {"memory": "much"}, "stack_services.api.limits.memory: 'much' is not a size"),
        (
            "services.api.health.start_period",
            "soon",
            "stack_services.api.health.start_period: 'soon' is not a duration",
        ),
        ("services.jobs.backup", "postgres", "only a stateful service is backed up"),
        ("services.jobs.order", "overlapp", "is none of overlap, stop_first (did you mean 'overlap'?)"),
        (
            "routes.0.service",
            "apo",
            "stack_routes[0].service: no service 'apo' in stack_services (did you mean 'api'?)",
        ),
        ("routes.0.service", "db", "'db' is no web service"),
        ("routes.0.path", "api", "stack_routes[0].path: 'api' is not a URL path"),
        ("routes.0.path", "/", "stack_routes[1].path: '/' is routed twice"),
        ("domain", "https://crm.example.com", "stack_domain: 'https://crm.example.com' is not a domain name"),
        ("hooks.pre_release.service", "db", "stack_hooks.pre_release.service: 'db' is stateful"),
        ("hooks.before", {}, "stack_hooks.before: unknown key"),
        ("strategy", "blue-green", "stack_strategy: 'blue-green' is none of blue_green, recreate"),
    ],
)
def test_each_mistake_is_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_stack(changed(path, value))
    assert message in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
    )
)
@settings(max_examples=100, derandomize=True, deadline=None)
def test_any_service_is_read_or_refused_in_words(value: Any) -> None:
    description = changed("services.api", value)
    try:
        parse_stack(description)
    except UserError as error:
        assert str(error).startswith("stack_")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), (5, 5), ("1m30s", 90), ("500ms", 0.5), ("2h", 7200), ("1d", 86400)]
)
def test_durations(text: Any, seconds: float) -> None:
    assert parse_duration(text, "x") == seconds


@pytest.mark.parametrize("text", ["", "s", "-1", -1, True, "1 m", None, "1x"])
def test_nonsense_durations(text: Any) -> None:
    with pytest.raises(UserError, match="is not a duration"):
        parse_duration(text, "x")
