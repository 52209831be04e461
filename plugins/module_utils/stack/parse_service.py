# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One service of the stack description."""

from __future__ import annotations

import re
from typing import Any, Literal, cast

from ..errors import UserError
from .compose_keys import COMPOSE_KEYS
from .fields import Fields
from .model import MEMORY, Build, Health, Limits, Role, Secret, Service, Volume

SERVICE_NAME = r"[a-z]([a-z0-9-]{0,22}[a-z0-9])?"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
# What Compose would fill in; $${ is the text ${ there and here.
_UNRESOLVED = re.compile(r"(?<!\$)\$\{[^}]*\}?")
_IMAGE = r"[A-Za-z0-9][A-Za-z0-9._/:@-]*"
# What the entry points of database images need to hand their files to their own user.
_STATEFUL_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID")

SERVICE_KEYS = (
    "image", "build", "pull", "role", "stateful", "port", "health", "env", "secrets", "volumes",
    "tmpfs", "command", "entrypoint", "user", "limits", "read_only", "cap_drop", "cap_add",
    "stop_grace", "order", "max_size", "fail_on_log", "backup",
)  # fmt: skip


def parse_service(name: str, value: Any, routed: bool, mistakes: list[str] | None = None) -> Service:
    """A checked service.

    Args:
        name: Its name, already checked.
        value: What the user wrote of it.
        routed: Whether a route leads to it.
        mistakes: Where its mistakes are put down; the service is of no use when there are any.

    Raises:
        UserError: It is no mapping; or a mistake, where they are not collected.
    """
    fields = Fields(value, f"stack_services.{name}", SERVICE_KEYS, mistakes, COMPOSE_KEYS)
    get = fields.attempt
    stateful = get(lambda: fields.flag("stateful"), False)
    if "build" not in fields:
        get(lambda: fields.need("image", "name an image, or say under build where it is built from"), None)
    port = get(lambda: fields.integer("port", None, 1, 65535), None)
    default_role = "web" if routed or ("port" in fields and not stateful) else "worker"
    read_only = get(lambda: fields.flag("read_only"), False)
    user_form = r"[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)?"
    service = Service(
        name=name,
        image=get(lambda: fields.text("image", "", _IMAGE, "an image reference such as postgres:16.4-alpine"), ""),
        build=get(lambda: _build(fields), None),
        pull=cast(Any, get(lambda: fields.choice("pull", "missing", ("missing", "always", "never")), "missing")),
        role=cast(Role, get(lambda: fields.choice("role", default_role, ("web", "worker")), "worker")),
        stateful=stateful,
        port=port,
        health=get(lambda: _health(fields), None),
        env=get(lambda: _env(fields), {}),
        secrets=get(lambda: _secrets(fields), ()),
        volumes=get(lambda: _volumes(fields), ()),
        tmpfs=get(lambda: fields.texts("tmpfs", ("/tmp",) if read_only else ()), ()),
        command=get(lambda: fields.command("command"), ()),
        entrypoint=get(lambda: fields.command("entrypoint"), ()),
        user=get(lambda: fields.text("user", "", user_form, "a user such as 1000 or 1000:1000"), ""),
        limits=get(lambda: _limits(fields), Limits()),
        read_only=read_only,
        cap_drop=get(lambda: fields.texts("cap_drop", ("ALL",)), ()),
        cap_add=get(lambda: fields.texts("cap_add", _STATEFUL_CAPABILITIES if stateful else ()), ()),
        stop_grace=get(lambda: fields.duration("stop_grace", 30), 30.0),
        order=cast(Any, get(lambda: fields.choice("order", "overlap", ("overlap", "stop_first")), "overlap")),
        max_size=get(lambda: fields.text("max_size"), ""),
        fail_on_log=get(lambda: _patterns(fields), ()),
        backup=cast(Any, get(lambda: fields.choice("backup", "", ("", "postgres")), "")),
    )
    get(lambda: _check_web(fields, service), None)
    get(lambda: _check_variables(fields, service), None)
    return service


def _check_web(fields: Fields, service: Service) -> None:
    if service.role == "web" and not service.stateful:
        fields.need("port", "a web service says on which port it listens")
        fields.need("health", "a web service says how its health is seen, such as health: {path: /healthz}")
    if service.backup and not service.stateful:
        raise UserError(f"{fields.path('backup')}: only a stateful service is backed up; set stateful: true.")


def _check_variables(fields: Fields, service: Service) -> None:
    """No variable is set twice: which of the two would win is nobody's guess."""
    taken = set(service.env)
    for secret in service.secrets:
        if secret.variable in taken:
            raise UserError(f"{fields.path('secrets')}: {secret.variable} is set twice; keep one of env and secrets.")
        taken.add(secret.variable)


def _build(fields: Fields) -> Build | None:
    if "build" not in fields:
        return None
    keys = (
        "context",
        "git",
        "ref",
        "key",
        "known_hosts",
        "dockerfile",
        "target",
        "args",
        "secrets",
        "write_dockerignore",
    )
    build = Fields(fields.raw("build"), fields.path("build"), keys)
    context, git = build.text("context"), build.text("git")
    if not context and not git:
        raise UserError(f"{build.where} needs context (a directory on the server) or git (a repository's URL).")
    if not git and not context.startswith("/"):
        raise UserError(f"{build.path('context')}: {context!r} must be an absolute path on the server.")
    if _holds_credentials(git):
        raise UserError(
            f"{build.path('git')} holds a password or a token, which logs would show; use an SSH address, and build.key"
            " for a key of the vault."
        )
    if git.startswith("-") or build.text("ref").startswith("-"):
        raise UserError(f"{build.path('git')}: neither the URL nor the ref may start with a dash.")
    if git and (context.startswith("/") or ".." in context.split("/")):
        raise UserError(f"{build.path('context')}: beside git it is a directory inside the repository.")
    for key in ("key", "known_hosts"):
        if key in build and (not git or re.match(r"(?i)\s*(https?|git|file)://", git)):
            raise UserError(f"{build.path(key)} is for git over SSH, such as git: git@github.com:company/app.git.")
    return Build(
        context=context,
        git=git,
        ref=build.text("ref"),
        key=build.text("key", "", _VARIABLE, "the name of a key of stack_secrets"),
        known_hosts=build.text("known_hosts"),
        dockerfile=build.text("dockerfile", "Dockerfile"),
        target=build.text("target"),
        args=_variables(build, "args"),
        secrets={str(k): str(v) for k, v in build.mapping("secrets").items()},
        write_dockerignore=build.flag("write_dockerignore"),
    )


def _holds_credentials(address: str) -> bool:
    """Whether an address carries a login: any before the host of a web address, a password before any other."""
    match = re.match(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)@", address)
    if not match:
        return bool(re.search(r"[?&](?:[a-z_]*token|password|key)=", address, re.IGNORECASE))
    return match[1].lower() in ("http", "https") or ":" in match[2]


def _health(fields: Fields) -> Health | None:
    if "health" not in fields:
        return None
    keys = ("path", "command", "expect", "interval", "timeout", "retries", "start_period")
    health = Fields(fields.raw("health"), fields.path("health"), keys)
    path = health.text("path", "", r"/[^\s'\"\\$`]*", "a URL path that starts with /")
    if not path and "command" not in health:
        raise UserError(f"{health.where} needs path (an HTTP path on the service's port) or command.")
    if path and "port" not in fields:
        raise UserError(f"{health.path('path')}: give the service a port to ask on.")
    return Health(
        path=path,
        command=health.script("command"),
        expect=health.text("expect"),
        interval=health.duration("interval", 5),
        timeout=health.duration("timeout", 5),
        retries=health.integer("retries", 5, 1, 10_000) or 5,
        start_period=health.duration("start_period", 60),
    )


def _env(fields: Fields) -> dict[str, str]:
    env = _variables(fields, "env")
    # Blank counts as set for most programs, which then fail late: say it now.
    for key, value in env.items():
        where = f"{fields.path('env')}.{key}"
        if value == "":
            raise UserError(f"{where} is blank; leave it out, or set it.")
        if found := _UNRESOLVED.search(value):
            raise UserError(
                f"{where}: {found[0]} is not filled in here, and would reach the container as it is; write the value,"
                f" a template such as {{{{ name }}}} or a secret, and $${found[0][1:]} where the text itself is meant."
            )
    return {key: value.replace("$${", "${") for key, value in env.items()}


def _variables(fields: Fields, key: str) -> dict[str, str]:
    variables: dict[str, str] = {}
    for name, value in fields.mapping(key).items():
        where = f"{fields.path(key)}.{name}"
        if not re.fullmatch(_VARIABLE, str(name)):
            raise UserError(f"{where}: a variable's name is letters, digits and underscores.")
        if value is None:
            continue
        if not isinstance(value, (str, int, float)):
            raise UserError(f"{where}: expected text, not {type(value).__name__}; quote it, or write JSON as text.")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if "\0" in text:
            raise UserError(f"{where}: holds a NUL byte, which no environment can carry.")
        variables[str(name)] = text
    return variables


def _secrets(fields: Fields) -> tuple[Secret, ...]:
    secrets = []
    for index, entry in enumerate(fields.items("secrets")):
        where = f"{fields.path('secrets')}[{index}]"
        item = Fields({"name": entry} if isinstance(entry, str) else entry, where, ("name", "as", "env", "uid"))
        item.need("name", "which key of stack_secrets")
        secrets.append(
            Secret(
                name=item.text("name", "", _VARIABLE, "a name of letters, digits and underscores"),
                kind=cast(Literal["env", "file"], item.choice("as", "env", ("env", "file"))),
                env=item.text("env", "", _VARIABLE, "a variable's name"),
                uid=item.integer("uid", None, 0, 2**31),
            )
        )
    return tuple(secrets)


def _volumes(fields: Fields) -> tuple[Volume, ...]:
    return tuple(_volume(v, f"{fields.path('volumes')}[{i}]") for i, v in enumerate(fields.items("volumes")))


def _volume(entry: Any, where: str) -> Volume:
    value = entry
    if isinstance(entry, str):
        parts = entry.split(":")
        if len(parts) not in (2, 3) or parts[2:] not in ([], ["ro"], ["rw"]):
            raise UserError(f"{where}: {entry!r} is not name:/path or name:/path:ro.")
        value = {"source": parts[0], "path": parts[1], "read_only": parts[2:] == ["ro"]}
    item = Fields(value, where, ("source", "path", "read_only", "backup", "uid"))
    item.need("source", "a volume's name or an absolute path of the server")
    item.need("path", "where it appears in the container")
    source = item.text("source", "", r"/[^:]*|[a-z0-9][a-z0-9_-]*", "a volume's name or an absolute path")
    return Volume(
        source=source,
        path=item.text("path", "", r"/[^:]*", "an absolute path"),
        read_only=item.flag("read_only"),
        backup=item.flag("backup", not source.startswith("/")),
        uid=item.integer("uid", None, 0, 2**31),
    )


def _limits(fields: Fields) -> Limits:
    limits = Fields(fields.raw("limits", {}), fields.path("limits"), ("memory", "cpus", "pids"))
    return Limits(
        memory=limits.text("memory", "", MEMORY, "a size such as 512m, 512MB, 1.5g or 2GiB"),
        cpus=limits.number("cpus"),
        pids=limits.integer("pids", None, 1, 1_000_000),
    )


def _patterns(fields: Fields) -> tuple[str, ...]:
    patterns = fields.texts("fail_on_log")
    for pattern in patterns:
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise UserError(f"{fields.path('fail_on_log')}: {pattern[:80]!r} is not a regular expression ({error}).")
    return patterns
