# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a user's description to a Stack, or to one sentence that says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from ..errors import UserError, nearest
from .fields import Fields
from .hostname import host_name
from .model import Hook, Route, Service, Stack, Strategy
from .parse_service import SERVICE_NAME, parse_service

STACK_KEYS = (
    "name",
    "domain",
    "domain_aliases",
    "services",
    "routes",
    "strategy",
    "drain",
    "hooks",
)
# Colour and service follow in a DNS label of at most 63 characters.
_STACK_NAME = r"[a-z][a-z0-9-]{0,28}[a-z0-9]"


def parse_stack(description: Mapping[str, Any]) -> Stack:
    """The description, checked.

    Args:
        description: The `stack_*` variables without their prefix, secrets excepted.

    Raises:
        UserError: The first mistake found, named by its full key.
    """
    fields = Fields(description, "stack", STACK_KEYS)
    fields.need("name", "it names containers, networks and volumes")
    name = fields.text("name", "", _STACK_NAME, "a name of 2 to 30 lower-case letters, digits and dashes")
    services = _services(fields)
    stack = Stack(
        name=name,
        domain=_domain(fields.text("domain"), "stack_domain"),
        domain_aliases=tuple(_domain(d, "stack_domain_aliases") for d in fields.texts("domain_aliases")),
        services=services,
        routes=tuple(_route(r, i, services) for i, r in enumerate(fields.items("routes"))),
        strategy=cast(Strategy, fields.choice("strategy", "blue_green", ("blue_green", "recreate"))),
        drain=fields.duration("drain", 10),
        pre_release=_hook(fields, "pre_release", services),
        post_release=_hook(fields, "post_release", services),
    )
    _refuse_duplicate_paths(stack.routes)
    return stack


def _services(fields: Fields) -> dict[str, Service]:
    described = fields.mapping("services")
    if not described:
        raise UserError("stack_services is empty: describe at least one service.")
    for name in described:
        if not re.fullmatch(SERVICE_NAME, str(name)):
            raise UserError(f"stack_services.{name}: a service's name is 1 to 24 lower-case letters, digits, dashes.")
    routed = {str(r.get("service")) for r in fields.items("routes") if isinstance(r, Mapping)}
    services = {str(n): parse_service(str(n), s, str(n) in routed) for n, s in described.items()}
    if not any(not s.stateful for s in services.values()):
        raise UserError("stack_services: every service is stateful; a release needs one that is not.")
    return services


def _domain(value: str, where: str) -> str:
    return host_name(value, where) if value else ""


def _known_service(value: Any, where: str, services: dict[str, Service]) -> str:
    if value not in services:
        hint = nearest(str(value), services) or f"; the services are {', '.join(services)}"
        raise UserError(f"{where}: no service {value!r} in stack_services{hint}.")
    return str(value)


ROUTE_KEYS = ("path", "service", "rate_limit", "burst", "body_size", "timeout", "stream")


def _route(value: Any, index: int, services: dict[str, Service]) -> Route:
    fields = Fields(value, f"stack_routes[{index}]", ROUTE_KEYS)
    path = str(fields.need("path", "which requests does it take"))
    if not re.fullmatch(r"/[A-Za-z0-9._~/@%+-]*", path):
        raise UserError(
            f"{fields.path('path')}: {path!r} is not a URL path; it starts with / and holds no spaces or ?."
        )
    service = _known_service(fields.need("service", "which service answers it"), fields.path("service"), services)
    if services[service].role != "web" or services[service].stateful:
        raise UserError(f"{fields.path('service')}: {service!r} is no web service; give it role: web, port and health.")
    return Route(
        path=path,
        service=service,
        rate_limit=fields.text("rate_limit"),
        burst=fields.integer("burst", 0, 0, 100_000) or 0,
        body_size=fields.text("body_size"),
        timeout=fields.duration("timeout", 60),
        stream=fields.flag("stream"),
    )


def _refuse_duplicate_paths(routes: tuple[Route, ...]) -> None:
    seen: set[str] = set()
    for index, route in enumerate(routes):
        if route.path in seen:
            raise UserError(f"stack_routes[{index}].path: {route.path!r} is routed twice; remove one.")
        seen.add(route.path)


def _hook(fields: Fields, name: str, services: dict[str, Service]) -> Hook | None:
    hooks = Fields(fields.raw("hooks", {}), "stack_hooks", ("pre_release", "post_release"))
    if name not in hooks:
        return None
    hook = Fields(hooks.raw(name), f"stack_hooks.{name}", ("service", "command", "timeout"))
    service = _known_service(hook.need("service", "whose image runs it"), hook.path("service"), services)
    if services[service].stateful:
        raise UserError(f"{hook.path('service')}: {service!r} is stateful; a hook runs in a service of the release.")
    hook.need("command", "what is to be run")
    return Hook(service=service, command=hook.command("command"), timeout=hook.duration("timeout", 600))
