# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a user's description to a Stack, or to one sentence that says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from ..errors import UserError, nearest
from ..hostname import host_name
from . import swarm
from .fields import Fields
from .model import STACK_NAME, WILDCARD, EngineName, Hook, Job, Route, Service, Stack, Strategy
from .parse_logging import parse_logging
from .parse_service import SERVICE_NAME, parse_service
from .parse_whole import check_whole

STACK_KEYS = (
    "name",
    "domain",
    "domain_aliases",
    "services",
    "routes",
    "strategy",
    "engine",
    "drain",
    "keep_warm",
    "hooks",
    "jobs",
    "logging",
)


def parse_stack(description: Mapping[str, Any]) -> Stack:
    """The description, checked.

    Args:
        description: The `stack_*` variables without their prefix, secrets excepted.

    Raises:
        UserError: All mistakes found, a line each, named by their full keys.
    """
    mistakes: list[str] = []
    fields = Fields(description, "stack", STACK_KEYS, mistakes)
    stack = fields.attempt(lambda: _stack(fields, mistakes), None)
    if stack is None or mistakes:
        raise UserError("\n".join(dict.fromkeys(mistakes)))
    return stack


def _stack(fields: Fields, mistakes: list[str]) -> Stack:
    get = fields.attempt
    services: dict[str, Service] = get(lambda: _services(fields, mistakes), {})
    stack = Stack(
        name=get(lambda: _name(fields), ""),
        domain=get(lambda: _domain(fields.text("domain"), "stack_domain"), ""),
        domain_aliases=get(
            lambda: tuple(_alias(d, "stack_domain_aliases") for d in fields.texts("domain_aliases")), ()
        ),
        services=services,
        routes=get(lambda: _routes(fields, services), ()),
        strategy=cast(
            Strategy, get(lambda: fields.choice("strategy", "blue_green", ("blue_green", "recreate")), "blue_green")
        ),
        engine=cast(EngineName, get(lambda: fields.choice("engine", "compose", ("compose", "swarm")), "compose")),
        drain=get(lambda: fields.duration("drain", 10), 10.0),
        keep_warm=get(lambda: fields.duration("keep_warm", 0), 0.0),
        pre_release=get(lambda: _hook(fields, "pre_release", services), None),
        post_release=get(lambda: _hook(fields, "post_release", services), None),
        jobs=get(lambda: _jobs(fields, services), {}),
        logging=get(lambda: parse_logging(fields), {}),
    )
    get(lambda: _refuse_duplicate_paths(stack), None)
    # What a service that could not be read means to others is not known.
    if not any(mistake.startswith("stack_services") for mistake in mistakes):
        mistakes += check_whole(stack)
        mistakes += swarm.mistakes(stack) if stack.engine == "swarm" else ()
    return stack


def _name(fields: Fields) -> str:
    fields.need("name", "it names containers, networks and volumes")
    return fields.text("name", "", STACK_NAME, "a name of 2 to 30 lower-case letters, digits and dashes")


def _routes(fields: Fields, services: dict[str, Service]) -> tuple[Route, ...]:
    # Of services that could not be read, routes and hooks have nothing to say.
    read = [fields.attempt(partial(_route, r, i, services), None) for i, r in enumerate(fields.items("routes"))]
    return tuple(route for route in read if route)


def _services(fields: Fields, mistakes: list[str]) -> dict[str, Service]:
    described = fields.mapping("services")
    if not described:
        raise UserError("stack_services is empty: describe at least one service.")
    for name in described:
        if not re.fullmatch(SERVICE_NAME, str(name)):
            mistakes.append(f"stack_services.{name}: a service's name is 1 to 24 lower-case letters, digits, dashes.")
    routes = [r for r in fields.items("routes") if isinstance(r, Mapping)]
    services = {}
    for name, value in described.items():
        # A service that is no mapping at all still has a name that routes may use.
        ports = [r.get("port") for r in routes if str(r.get("service")) == str(name)]
        services[str(name)] = fields.attempt(
            partial(parse_service, str(name), value, ports, mistakes), Service(str(name), role="web")
        )
    if all(s.role == "job" for s in services.values()):
        raise UserError("stack_services: every service is a job; a stack needs one that stays.")
    return services


def _alias(value: str, where: str) -> str:
    """A further name, or all names of one more label below one."""
    if not value.startswith(WILDCARD):
        return _domain(value, where)
    name = host_name(value.removeprefix(WILDCARD), where)
    if "." not in name:
        raise UserError(f"{where}: {value!r} is every name below a top-level domain; write one such as *.example.com.")
    return WILDCARD + name


def _domain(value: str, where: str) -> str:
    if value.startswith(WILDCARD):
        raise UserError(
            f"{where}: {value!r} is no name that can be opened; write one that is, and {value} under"
            " stack_domain_aliases."
        )
    return host_name(value, where) if value else ""


def _known_service(value: Any, where: str, services: dict[str, Service]) -> str:
    if not isinstance(value, str):
        raise UserError(f"{where}: expected the name of a service, not {type(value).__name__}.")
    if value not in services:
        hint = nearest(value, services) or f"; the services are {', '.join(services)}"
        raise UserError(f"{where}: no service {value!r} in stack_services{hint}.")
    return value


ROUTE_KEYS = ("path", "service", "host", "port", "rate_limit", "burst", "body_size", "timeout", "stream")


def _route(value: Any, index: int, services: dict[str, Service]) -> Route:
    fields = Fields(value, f"stack_routes[{index}]", ROUTE_KEYS)
    fields.need("path", "which requests does it take")
    path = fields.text("path")
    if not re.fullmatch(r"/[A-Za-z0-9._~/@%+-]*", path):
        raise UserError(
            f"{fields.path('path')}: {path!r} is not a URL path; it starts with / and holds no spaces or ?."
        )
    service = _known_service(fields.need("service", "which service answers it"), fields.path("service"), services)
    if services[service].stateful:
        raise UserError(
            f"{fields.path('service')}: {service!r} is no web service but a stateful one, which no release replaces and"
            " the edge does not reach; route to a service of the release."
        )
    if services[service].role != "web":
        raise UserError(f"{fields.path('service')}: {service!r} is no web service; give it role: web, port and health.")
    host = fields.text("host")
    return Route(
        path=path,
        service=service,
        host=host_name(host, fields.path("host")) if host else "",
        port=fields.integer("port", None, 1, 65535),
        rate_limit=fields.text("rate_limit"),
        burst=fields.integer("burst", 0, 0, 100_000) or 0,
        body_size=fields.text("body_size"),
        timeout=fields.duration("timeout", 60),
        stream=fields.flag("stream"),
    )


def _refuse_duplicate_paths(stack: Stack) -> None:
    seen: set[tuple[str, str]] = set()
    for index, route in enumerate(stack.routes):
        # The domain by its own name is the same place as no host.
        place = (route.host or stack.domain, route.path)
        if place in seen:
            at = f" at {route.host}" if route.host else ""
            raise UserError(f"stack_routes[{index}].path: {route.path!r} is routed twice{at}; remove one.")
        seen.add(place)


def _hook(fields: Fields, name: str, services: dict[str, Service]) -> Hook | None:
    hooks = Fields(fields.raw("hooks", {}), "stack_hooks", ("pre_release", "post_release"))
    if name not in hooks:
        return None
    hook = Fields(hooks.raw(name), f"stack_hooks.{name}", ("service", "command", "timeout"))
    service = _known_service(hook.need("service", "whose image runs it"), hook.path("service"), services)
    if services[service].stateful:
        raise UserError(f"{hook.path('service')}: {service!r} is stateful; a hook runs in a service of the release.")
    hook.need("command", "what is to be run")
    return Hook(service=service, command=hook.script("command"), timeout=hook.duration("timeout", 600))


def _jobs(fields: Fields, services: dict[str, Service]) -> dict[str, Job]:
    read = {str(n): fields.attempt(partial(_job, str(n), v, services), None) for n, v in fields.mapping("jobs").items()}
    return {name: job for name, job in read.items() if job}


def _job(name: str, value: Any, services: dict[str, Service]) -> Job:
    where = f"stack_jobs.{name}"
    if not re.fullmatch(SERVICE_NAME, name):
        raise UserError(f"{where}: a job's name is 1 to 24 lower-case letters, digits, dashes.")
    fields = Fields(value, where, ("service", "command", "schedule", "timeout"))
    service = _known_service(fields.need("service", "whose image runs it"), fields.path("service"), services)
    if services[service].stateful or services[service].role == "job":
        raise UserError(
            f"{fields.path('service')}: {service!r} is stateful or a job of each release; a scheduled one runs in a"
            " service of the release that stays up."
        )
    fields.need("command", "what is to be run")
    fields.need("schedule", "when it runs, such as 03:00 or Mon *-*-* 04:30")
    return Job(
        service=service,
        command=fields.script("command"),
        # It stands in a file of systemd's, which expands what follows a %.
        schedule=fields.text("schedule", "", r"[^\x00-\x1f\x7f%]+", "one line, such as 03:00"),
        timeout=fields.duration("timeout", 3600),
    )
