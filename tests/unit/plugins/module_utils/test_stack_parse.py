"""The stack description: what it fills in, and the one sentence for each mistake."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.stack.fields import parse_duration
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import STACK_KEYS, parse_stack
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse_service import SERVICE_KEYS

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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("server", ("server",)),
        ("postgres -c shared_buffers=1GB", ("postgres", "-c", "shared_buffers=1GB")),
        ("sh -c 'a && b; c'", ("sh", "-c", "a && b; c")),
        ('say "two words" \\; x', ("say", "two words", ";", "x")),
        ("", ()),
    ],
)
def test_a_text_command_is_split_as_compose_splits_it(text: str, words: tuple[str, ...]) -> None:
    assert parse_stack(changed("services.jobs.command", text)).services["jobs"].command == words


@pytest.mark.parametrize(
    ("given", "argv"),
    [
        (["CMD-SHELL", "curl localhost || exit 1"], ("/bin/sh", "-c", "curl localhost || exit 1")),
        (["CMD", "true"], ("true",)),
        (["true"], ("true",)),
        ("a || b", ("/bin/sh", "-c", "a || b")),
    ],
)
def test_a_health_command_is_written_in_every_form_of_compose(given: Any, argv: tuple[str, ...]) -> None:
    health = parse_stack(changed("services.api.health", {"command": given})).services["api"].health
    assert health is not None
    assert health.command == argv


def test_addresses_without_a_password_are_taken() -> None:
    for git in ("ssh://git@host/x.git", "git@host:x.git", "https://host/x.git?ref=a"):
        assert parse_stack(changed("services.api.build", {"git": git}))


def test_a_doubled_dollar_before_a_brace_is_the_text_itself() -> None:
    stack = parse_stack(changed("services.api.env", {"A": "$${X} $5 $$"}))
    assert stack.services["api"].env == {"A": "${X} $5 $$"}


@pytest.mark.parametrize(
    ("text", "size"),
    [("512m", 512 << 20), ("512MB", 512 << 20), ("1.5g", 3 << 29), ("2GiB", 2 << 30), ("1024", 1024), ("10b", 10)],
)
def test_memory_in_every_form_that_docker_takes(text: str, size: int) -> None:
    assert parse_stack(changed("services.api.limits", {"memory": text})).services["api"].limits.memory_bytes == size


def test_all_mistakes_come_in_one_answer() -> None:
    description = changed("services.api", {"image": "-x", "port": 0, "prot": 1, "env": {"A": ""}, "health": {}})
    description["services"]["jobs"] = {"order": "x"}
    description["routes"] += [{"path": "x", "service": "site"}, {"path": "/y", "service": "nope"}]
    description["drain"] = "soon"
    with pytest.raises(UserError) as caught:
        parse_stack(description)
    named = [line.partition(":")[0].split(" ")[0] for line in str(caught.value).splitlines()]
    assert sorted(named) == sorted(
        [
            "stack_services.api.prot",
            "stack_services.api.port",
            "stack_services.api.image",
            "stack_services.api.health",
            "stack_services.api.env.A",
            "stack_services.jobs.image",
            "stack_services.jobs.order",
            "stack_routes[2].path",
            "stack_routes[3].service",
            "stack_drain",
        ]
    )


def test_a_hook_in_text_goes_through_the_shell() -> None:
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
        ("services", {"once": {"image": "a", "role": "job"}}, "every service is a job"),
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
        ("jobs", {"Nightly": {}}, "stack_jobs.Nightly: a job's name is"),
        (
            "jobs",
            {"a": {"service": "db", "command": "x", "schedule": "03:00"}},
            "stack_jobs.a.service: 'db' is stateful",
        ),
        ("jobs", {"a": {"service": "api", "command": "x"}}, "stack_jobs.a.schedule is missing"),
        ("jobs", {"a": {"service": "api", "command": "x", "schedule": "a\nb"}}, "is not one line, such as 03:00"),
        ("routes.0.service", ["api"], "stack_routes[0].service: expected the name of a service, not list"),
        ("drain", "²", "stack_drain: '²' is not a duration"),
        ("drain", float("inf"), "stack_drain: inf is longer than a hundred years"),
        ("drain", float("nan"), "stack_drain: nan is not a duration"),
        pytest.param("drain", 10**400, "is longer than a hundred years", id="400 digits"),
        ("services.api.port", "²", "stack_services.api.port: '²' is not a whole number"),
        pytest.param("services.api.port", 10**5000, "stack_services.api.port: a int is not a whole number", id="long"),
        ("services.api.limits", {"cpus": float("nan")}, "stack_services.api.limits.cpus: nan is not a number"),
        ("services.api.limits", {"cpus": 10**400}, "stack_services.api.limits.cpus"),
        ("services.api.fail_on_log", ["(" * 3000], "is not a regular expression"),
        ("services.api.env", {"A": 10**5000}, "stack_services.api"),
        ("services.api.env", {"P": "${PG_PASS}"}, "stack_services.api.env.P: ${PG_PASS} is not filled in here"),
        ("services.api.command", "a && b", "stack_services.api.command: 'a && b' wants a shell"),
        ("services.api.command", "echo 'a", "cannot be split into words"),
        ("services.api.build", {"git": "https://ghp_x@host/x"}, "holds a password"),
        ("services.api.build", {"git": "HTTPS://u:p@host/x"}, "holds a password"),
        ("services.api.build", {"git": "https://host/x?private_token=abc"}, "holds a password"),
        ("services.api.build", {"git": "ssh://git:pw@host/x"}, "holds a password"),
        (
            "services.api.environment",
            {"A": "b"},
            "stack_services.api.environment: unknown key; variables are under env",
        ),
        ("services.api.shm_size", "256mb", "stack_services.api.shm_size: unknown key; it goes under runtime"),
        ("services.api.runtime", {"shm": 1}, "stack_services.api.runtime.shm: unknown key"),
        ("services.api.health", {"path": "/", "none": True}, "stack_services.api.health says it in several ways"),
        ("services.api.health", {"test": ["curl", "x"]}, "its first word is CMD, CMD-SHELL or NONE"),
        ("services.api.health", {"test": ["CMD"]}, "a command follows CMD"),
        ("services.api.depends_on", {"dbb": "healthy"}, "depends_on.dbb: no service 'dbb' in stack_services"),
        ("services.api.depends_on", {"db": {"condition": "x"}}, "depends_on.db: write one of started, healthy"),
        ("services.api.depends_on", {"db": "completed"}, "db is no job, and so never completed"),
        ("services.api.depends_on", {"api": "healthy"}, "stack_services.api.depends_on: api waits for api"),
        ("services.db.depends_on", ["api"], "a stateful service is up before those of a release"),
        ("services.api.aliases", ["db"], "stack_services.api.aliases: 'db' is a name of db already"),
        ("services.api.aliases", ["-x"], "stack_services.api.aliases: '-x' is not a name"),
        ("services.api.publish", [{"port": 9}], "a port of the server leads to one container"),
        ("services.api.publish", [{"port": 9, "address": "eth0"}], "publish[0].address: 'eth0' is not an address"),
        ("services.db.replicas", 2, "stack_services.db.replicas: a stateful service or a job runs once"),
        ("services.api.timeout", 5, "stack_services.api.timeout: only a job ends by itself"),
        ("services.db.role", "job", "stack_services.db.role: a job is a part of the release"),
        ("services.db.volumes", [{"source": "/x", "path": "/y", "name": "z"}], "are for a named volume, /x is a path"),
        ("services.api.volumes", [{"source": "db", "path": "/y", "name": "z"}], "db has another name, driver"),
        ("services.api.files", [{"path": "/x"}], "stack_services.api.files[0] needs one of source"),
        ("services.api.files", [{"path": "/x", "content": "", "mode": "rw"}], "files[0].mode: 'rw' is not a mode"),
        ("routes.0.host", "https://x", "stack_routes[0].host: 'https://x' is not a domain name"),
        ("services.db.backup", "oracle", "stack_services.db.backup: 'oracle' is none of none, pause, stop, postgres"),
        ("services.api.backup", "stop", "stack_services.api.backup: only a stateful service is backed up so"),
        ("strategy", "blue-green", "stack_strategy: 'blue-green' is none of blue_green, recreate"),
    ],
)
def test_each_mistake_is_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_stack(changed(path, value))
    assert message in str(caught.value)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text() | st.sampled_from(SERVICE_KEYS), c),
    )
)
@settings(max_examples=100, derandomize=True)
@pytest.mark.parametrize("path", ["services.api", "services", "routes", "hooks", "services.db.volumes", "domain"])
def test_anything_is_read_or_refused_in_words(path: str, value: Any) -> None:
    description = changed(path, value)
    try:
        parse_stack(description)
    except UserError as error:
        assert str(error).startswith("stack_")


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda c: (
            st.lists(c)
            | st.dictionaries(st.text(), c)
            | st.dictionaries(st.sampled_from([*STACK_KEYS, *SERVICE_KEYS, "path", "port", "image"]), c)
        ),
        max_leaves=40,
    )
)
@settings(max_examples=600, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_a_whole_description_of_anything_is_read_or_refused_in_words(value: Any) -> None:
    try:
        parse_stack(value)
    except UserError as error:
        assert str(error).startswith("stack")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), (5, 5), ("1m30s", 90), ("500ms", 0.5), ("2h", 7200), ("1d", 86400)]
)
def test_durations(text: Any, seconds: float) -> None:
    assert parse_duration(text, "x") == seconds


@pytest.mark.parametrize("text", ["", "s", "-1", -1, True, "1 m", None, "1x"])
def test_nonsense_durations(text: Any) -> None:
    with pytest.raises(UserError, match="is not a duration"):
        parse_duration(text, "x")


@pytest.mark.parametrize("key", ["key", "known_hosts"])
def test_a_deploy_key_is_for_addresses_of_ssh(key: str) -> None:
    build = {"git": "git@host.test:app.git", key: "DEPLOY_KEY"}
    services = {"web": {"build": build, "port": 1, "health": {"path": "/"}}}
    stack = parse_stack({"name": "crm", "services": services})
    assert getattr(stack.services["web"].build, key) == "DEPLOY_KEY"
    assert ("DEPLOY_KEY" in stack.secret_names) is (key == "key")
    build["git"] = "https://host.test/app.git"
    with pytest.raises(UserError, match=rf"build\.{key} is for git over SSH"):
        parse_stack({"name": "crm", "services": services})
