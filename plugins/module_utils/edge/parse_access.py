# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the settings that say who may come, and what else a site asks for, to the model."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from ..errors import Mistakes, UserError, nearest
from ..sizes import parse_size
from ..stack import Stack
from .extra import check_extra
from .site import Access, Cache, ForwardAuth, PortRoute, Protocol, SiteRoute

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
# What nginx takes as it is: no blank, no quote, no variable of its own.
_PLACE = re.compile(r"(/|https://)[A-Za-z0-9._~/?&=%:@+,-]*")
_RESERVED = (80, 443)
_FORWARDED = ("Remote-User", "Remote-Groups", "Remote-Email", "Remote-Name")

PathOf = Callable[[str, str], str]


def networks(listed: Sequence[Any], where: str) -> tuple[str, ...]:
    """Networks as nginx writes them.

    Raises:
        UserError: Those that are none.
    """
    found, mistakes = [], Mistakes()
    for text in listed:
        try:
            network = str(ipaddress.ip_network(str(text), strict=False))
        except ValueError:
            network = "%"
        # A zone may hold anything.
        if "%" in network:
            mistakes.append(f"{where}: {text!r} is no address or network such as 203.0.113.0/24.")
        found.append(network)
    mistakes.tell()
    return tuple(found)


def parse_access(
    rules: Sequence[Any], users: Sequence[str], routes: Sequence[SiteRoute], stack: Stack, path_of: PathOf
) -> tuple[Access, ...]:
    """Rules of nginx_certbot_access.

    Raises:
        UserError: All mistakes found, a line each.
    """
    known, mistakes = {line.partition(":")[0]: line for line in users}, Mistakes()
    parsed: list[Access] = []
    for index, data in enumerate(rules):
        where = f"nginx_certbot_access[{index}]"
        rule = mistakes.attempt(partial(_rule, data, where, known, stack, path_of), None)
        if rule:
            mistakes.note(partial(_check_place, rule, where, routes, parsed))
            parsed.append(rule)
    mistakes.tell()
    return tuple(parsed)


def _check_place(rule: Access, where: str, routes: Sequence[SiteRoute], before: Sequence[Access]) -> None:
    if rule.host and not any(route.host == rule.host for route in routes):
        raise UserError(f"{where}.host: no route has the host {rule.host!r}.")
    if not any(r.host == rule.host and rule.path.startswith(r.path) for r in routes) and rule.path != "/":
        raise UserError(f"{where}.path: no route answers {rule.path}.")
    if any((other.host, other.path) == (rule.host, rule.path) for other in before):
        raise UserError(f"{where}.path: {rule.path} has a rule already; put both into one.")


def _rule(rule: Any, where: str, users: Mapping[str, str], stack: Stack, path_of: PathOf) -> Access:
    _keys(rule, where, ("path", "host", "allow", "users", "forward_auth"))
    lines = []
    for user in rule.get("users") or []:
        if str(user) not in users:
            hint = nearest(str(user), users) or "; set its password in nginx_certbot_users"
            raise UserError(f"{where}.users: no user {user!r} in nginx_certbot_users{hint}.")
        lines.append(users[str(user)])
    forward = rule.get("forward_auth")
    access = Access(
        path=path_of(str(rule.get("path") or "/"), f"{where}.path"),
        host="" if rule.get("host") == stack.domain else str(rule.get("host") or ""),
        allow=networks(rule.get("allow") or [], f"{where}.allow"),
        users=tuple(lines),
        forward=_forward(forward, f"{where}.forward_auth", stack) if forward else None,
    )
    if not (access.allow or access.users or access.forward):
        raise UserError(f"{where} keeps nobody out: name allow, users or forward_auth, or remove it.")
    return access


def _forward(data: Any, where: str, stack: Stack) -> ForwardAuth:
    _keys(data, where, ("service", "path", "sign_in", "headers"))
    path, sign_in = str(data.get("path") or "/"), str(data.get("sign_in") or "")
    for name, value in (("path", path), ("sign_in", sign_in)):
        if (value and not _PLACE.fullmatch(value)) or (name == "path" and not value.startswith("/")):
            raise UserError(f"{where}.{name}: {value!r} is no path or https URL of plain characters.")
    headers = tuple(data.get("headers") or _FORWARDED)
    for header in headers:
        if not _HEADER.fullmatch(str(header)):
            raise UserError(f"{where}.headers: {header!r} is no name of a header.")
    return ForwardAuth(_web_service(data.get("service"), f"{where}.service", stack), path, sign_in, headers)


def parse_ports(listed: Sequence[Any], stack: Stack, taken: Sequence[int]) -> tuple[PortRoute, ...]:
    """Routes of nginx_certbot_ports.

    Raises:
        UserError: All mistakes found, a line each.
    """
    ports: list[PortRoute] = []
    mistakes = Mistakes()
    for index, data in enumerate(listed):
        where = f"nginx_certbot_ports[{index}]"
        port = mistakes.attempt(partial(_port_route, data, where, stack, taken), None)
        if port and any((p.port, p.protocol) == (port.port, port.protocol) for p in ports):
            mistakes.append(f"{where}.port: {port.port} is routed twice.")
        ports += [port] if port else []
    mistakes.tell()
    return tuple(ports)


def _port_route(data: Any, where: str, stack: Stack, taken: Sequence[int]) -> PortRoute:
    _keys(data, where, ("port", "service", "target", "protocol", "tls", "allow"))
    protocol, tls = data.get("protocol") or "tcp", bool(data.get("tls"))
    if protocol not in ("tcp", "udp"):
        raise UserError(f"{where}.protocol: {protocol!r} is neither tcp nor udp.")
    if protocol == "udp" and tls:
        raise UserError(f"{where}.tls: nginx speaks TLS over tcp alone.")
    service = _web_service(data.get("service"), f"{where}.service", stack)
    port = _port(data.get("port"), f"{where}.port")
    if protocol == "tcp" and port in taken:
        raise UserError(f"{where}.port: {port} is the edge's own.")
    target = _port(data.get("target") or port, f"{where}.target")
    allow = networks(data.get("allow") or [], f"{where}.allow")
    return PortRoute(port, service, target, cast(Protocol, protocol), tls, allow)


def _port(value: Any, where: str) -> int:
    if not str(value).isdecimal() or not 1 <= int(value) <= 65535:
        raise UserError(f"{where}: {value!r} is no port from 1 to 65535.")
    return int(value)


def _web_service(name: Any, where: str, stack: Stack) -> str:
    if name not in stack.services:
        hint = nearest(str(name), stack.services) or f"; the services are {', '.join(stack.services)}"
        raise UserError(f"{where}: no service {name!r} in stack_services{hint}.")
    if stack.services[name] not in stack.web:
        raise UserError(
            f"{where}: {name!r} is no web service of the release, which alone the edge reaches; other"
            " services publish their ports themselves."
        )
    return str(name)


def parse_cache(data: Mapping[str, Any], path_of: PathOf) -> Cache | None:
    """nginx_certbot_cache.

    Raises:
        UserError: The first mistake found.
    """
    if not data:
        return None
    _keys(data, "nginx_certbot_cache", ("paths", "size", "seconds"))
    paths = tuple(path_of(str(path), "nginx_certbot_cache.paths") for path in data.get("paths") or [])
    if not paths:
        raise UserError("nginx_certbot_cache.paths is empty: name those of static files, such as /assets/.")
    seconds = data.get("seconds", 600)
    if not str(seconds).isdecimal() or not 1 <= int(seconds) <= 31_536_000:
        raise UserError("nginx_certbot_cache.seconds: write a number of seconds, a year at most.")
    return Cache(
        paths, max(1024**2, parse_size(data.get("size") or "100MiB", "nginx_certbot_cache.size")), int(seconds)
    )


def parse_extra(text: str) -> str:
    check_extra(text, "nginx_certbot_extra")
    return text.strip()


def _keys(data: Any, where: str, known: tuple[str, ...]) -> None:
    if not isinstance(data, Mapping):
        raise UserError(f"{where}: expected a mapping with {', '.join(known)}.")
    for key in data:
        if key not in known:
            hint = nearest(str(key), known) or f"; it has {', '.join(known)}"
            raise UserError(f"{where}: there is no {key!r}{hint}.")
