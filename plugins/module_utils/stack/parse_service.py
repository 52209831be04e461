# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One service of the stack description."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, cast

from ..errors import UserError
from ..secretvalues.tokens import token, tokens
from .compose_keys import COMPOSE_KEYS
from .fields import Fields
from .model import BACKUPS, Role, Service
from .parse_build import parse_build
from .parse_env import parse_env, parse_secrets
from .parse_health import parse_health
from .parse_mounts import parse_files, parse_publish, parse_volumes
from .parse_runtime import parse_aliases, parse_depends_on, parse_runtime
from .parts import MEMORY, Limits

SERVICE_NAME = r"[a-z]([a-z0-9-]{0,22}[a-z0-9])?"
_ROLES = ("web", "internal", "worker", "job")
_IMAGE = r"[A-Za-z0-9][A-Za-z0-9._/:@-]*"
# What the entry points of database images need to hand their files to their own user.
_STATEFUL_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID")

SERVICE_KEYS = (
    "image", "build", "pull", "role", "stateful", "port", "publish", "replicas", "health", "depends_on", "aliases",
    "env", "env_blank", "secrets", "volumes", "files", "tmpfs", "command", "entrypoint", "user", "limits", "read_only",
    "cap_drop", "cap_add", "runtime", "stop_grace", "timeout", "order", "max_size", "fail_on_log", "backup",
)  # fmt: skip
_PULLS = ("missing", "always", "never", "controller")


def parse_service(name: str, value: Any, routed: Collection[int | None], mistakes: list[str] | None = None) -> Service:
    """A checked service.

    Args:
        name: Its name, already checked.
        value: What the user wrote of it.
        routed: Of each route that leads to it, the port that it names, or `None`.
        mistakes: Where its mistakes are put down; the service is of no use when there are any.

    Raises:
        UserError: It is no mapping; or a mistake, where they are not collected.
    """
    fields = Fields(value, f"stack_services.{name}", SERVICE_KEYS, mistakes, COMPOSE_KEYS)
    get = fields.attempt
    stateful = get(lambda: fields.flag("stateful"), False)
    if "build" not in fields:
        get(lambda: fields.need("image", "name an image, or say under build where it is built from"), None)
    port = get(lambda: fields.integer("port", next((p for p in routed if p), None), 1, 65535), None)
    default_role = "web" if routed or (port and not stateful) else "worker"
    read_only = get(lambda: fields.flag("read_only"), False)
    user_form = r"[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)?"
    service = Service(
        name=name,
        image=get(lambda: fields.text("image", "", _IMAGE, "an image reference such as postgres:16.4-alpine"), ""),
        build=get(lambda: parse_build(fields), None),
        pull=cast(Any, get(lambda: fields.choice("pull", "missing", _PULLS), "missing")),
        role=cast(
            Role, get(lambda: fields.choice("role", default_role, ("web", "internal", "worker", "job")), "worker")
        ),
        stateful=stateful,
        port=port,
        publish=get(lambda: parse_publish(fields), ()),
        replicas=get(lambda: fields.integer("replicas", 1, 1, 100) or 1, 1),
        health=get(lambda: parse_health(fields, port), None),
        depends_on=get(lambda: parse_depends_on(fields), {}),
        aliases=get(lambda: parse_aliases(fields), ()),
        env=get(lambda: parse_env(fields, fields.flag("env_blank")), {}),
        secrets=get(lambda: parse_secrets(fields), ()),
        volumes=get(lambda: parse_volumes(fields), ()),
        files=get(lambda: parse_files(fields), ()),
        tmpfs=get(lambda: fields.texts("tmpfs", ("/tmp",) if read_only else ()), ()),
        command=get(lambda: fields.command("command"), ()),
        entrypoint=get(lambda: fields.command("entrypoint"), ()),
        user=get(lambda: fields.text("user", "", user_form, "a user such as 1000 or 1000:1000"), ""),
        limits=get(lambda: _limits(fields), Limits()),
        read_only=read_only,
        cap_drop=get(lambda: fields.texts("cap_drop", ("ALL",)), ()),
        cap_add=get(lambda: fields.texts("cap_add", _STATEFUL_CAPABILITIES if stateful else ()), ()),
        runtime=get(lambda: parse_runtime(fields), {}),
        stop_grace=get(lambda: fields.duration("stop_grace", 30), 30.0),
        timeout=get(lambda: fields.duration("timeout", 3600), 3600.0),
        order=cast(Any, get(lambda: fields.choice("order", "", ("", "overlap", "stop_first")), "")),
        max_size=get(lambda: fields.text("max_size"), ""),
        fail_on_log=get(lambda: _patterns(fields), ()),
        backup=get(lambda: fields.choice("backup", "", BACKUPS), ""),
    )
    get(lambda: _check_role(fields, service), None)
    get(lambda: _check_variables(fields, service), None)
    get(lambda: _check_texts(fields, service), None)
    return service


def _check_role(fields: Fields, service: Service) -> None:
    if service.stateful and service.role == "job":
        raise UserError(f"{fields.path('role')}: a job is a part of the release; leave out stateful.")
    if service.role == "web" and not service.stateful:
        if not service.port:
            fields.need("port", "a web service says on which port it listens")
        fields.need("health", "a web service says how its health is seen, such as health: {path: /healthz}")
    if service.backup not in ("", "none", "pause") and not service.stateful:
        raise UserError(f"{fields.path('backup')}: only a stateful service is backed up so; set stateful: true.")
    if service.replicas > 1 and (service.stateful or service.role == "job"):
        raise UserError(f"{fields.path('replicas')}: a stateful service or a job runs once; leave it out.")
    if "timeout" in fields and service.role != "job":
        raise UserError(f"{fields.path('timeout')}: only a job ends by itself; leave it out, or give role: job.")


def _check_variables(fields: Fields, service: Service) -> None:
    """No variable is set twice: which of the two would win is nobody's guess."""
    taken = set(service.env)
    for secret in (s for s in service.secrets if s.variable):
        if secret.variable in taken:
            raise UserError(f"{fields.path('secrets')}: {secret.variable} is set twice; keep one of env and secrets.")
        taken.add(secret.variable)


def _check_texts(fields: Fields, service: Service) -> None:
    """What stands for a secret is filled in; it would reach the container as it is otherwise."""
    for key, words in service.texts.items():
        for name in sorted(tokens(words) - {s.name for s in service.secrets if s.kind == "text"}):
            raise UserError(
                f"{fields.path(key)}: {token(name)} stands for a secret; list {{name: {name}, as: text}} under secrets."
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
