# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the role's settings to the model, or to one sentence that says what is wrong."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

from ..errors import Mistakes, UserError, nearest
from ..sizes import parse_size
from ..stack import Route, Stack
from ..stack.model import WILDCARD
from .headers import CONTENT_SECURITY_POLICY, LONGEST_HEADER
from .pages import MAINTENANCE
from .parse_access import networks, parse_access, parse_cache, parse_extra, parse_ports
from .parse_certificate import parse_certificate
from .parse_host import LONGEST, seconds, within
from .site import Certificate, Limit, Site, SiteRoute
from .text import quote as quote_parameter

_RATE = re.compile(r"[1-9]\d{0,5}r/[sm]")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_HTPASSWD = re.compile(r"[^:\s]+:\$[0-9a-z]+\$[^\s:]+")
_RATE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
DEFAULT_RATE = "default"


def parse_site(stack: Stack, settings: Mapping[str, Any]) -> Site:
    """One stack's settings.

    Raises:
        UserError: All mistakes found, a line each.
    """
    mistakes = Mistakes()
    get = mistakes.attempt
    rates = {DEFAULT_RATE: "20r/s", **(settings.get("rate_limits") or {})}
    mistakes.note(lambda: _check_rates(rates))
    csp = settings.get("csp")
    routes: tuple[SiteRoute, ...] = get(lambda: _routes(stack, rates), ())
    taken = (settings.get("http_port", 80), settings.get("https_port", 443))
    users: tuple[str, ...] = get(lambda: _htpasswd(settings.get("users") or []), ())
    site = Site(
        name=stack.name,
        domains=stack.domains,
        routes=routes,
        certificate=get(lambda: parse_certificate(settings.get("certificate") or {}), Certificate(kind="self_signed")),
        headers=get(lambda: _headers(settings.get("security_headers") or {}), {}),
        csp=get(lambda: _literal(CONTENT_SECURITY_POLICY if csp is None else csp, "nginx_certbot_csp"), ""),
        csp_mode=settings.get("csp_mode") or "report",
        csp_hash_scripts=bool(settings.get("csp_hash_scripts")),
        body_bytes=get(lambda: parse_size(settings.get("body_size") or "100MiB", "nginx_certbot_body_size"), 0),
        basic_auth=get(lambda: _htpasswd(settings.get("basic_auth") or []), ()),
        maintenance_page=settings.get("maintenance_page") or MAINTENANCE,
        retry_after=get(lambda: seconds(settings, "retry_after", 30), 0),
        redirect_aliases=settings.get("aliases") != "serve",
        # Without routes, each rule would be told as well.
        access=get(lambda: parse_access(settings.get("access") or [], users, routes, stack, _path), ())
        if routes
        else (),
        maintenance_allow=get(
            lambda: networks(settings.get("maintenance_allow") or [], "nginx_certbot_maintenance_allow"), ()
        ),
        header_bytes=get(lambda: within(settings, "response_header_size", "64KiB", 4096, 1024**2), 0),
        stream_seconds=get(lambda: seconds(settings, "stream_timeout", 3600), 0),
        cache=get(lambda: parse_cache(settings.get("cache") or {}, _path), None),
        extra=get(lambda: parse_extra(settings.get("extra") or ""), ""),
        ports=get(lambda: parse_ports(settings.get("ports") or [], stack, taken), ()),
    )
    if not stack.domain:
        mistakes.append("stack_domain is missing: the edge serves a stack under its domain.")
    else:
        mistakes.note(lambda: _check_names(site))
    mistakes.tell()
    return site


def _check_rates(rates: Mapping[Any, Any]) -> None:
    mistakes = Mistakes()
    for name, rate in rates.items():
        if not _RATE_NAME.fullmatch(str(name)):
            mistakes.append(f"nginx_certbot_rate_limits: {name!r} is no name of letters, digits, dashes, underscores.")
        mistakes.note(partial(_check_rate, rate, f"nginx_certbot_rate_limits.{name}"))
    mistakes.tell()


def _check_names(site: Site) -> None:
    mistakes = Mistakes()
    for host in site.hosts:
        if host in site.aliases:
            mistakes.append(f"stack_domain_aliases: {host} is the host of a route; remove it from the aliases.")
    for domain in site.names:
        if site.certificate.kind == "acme" and "." not in domain:
            mistakes.append(f"stack_domain: {domain!r} has no dot; no CA certifies such a name.")
        if site.certificate.kind == "acme" and domain.startswith(WILDCARD) and not site.certificate.dns_plugin:
            mistakes.append(
                f"stack_domain_aliases: {domain} is a wildcard, which a CA certifies by DNS-01 alone: set"
                " nginx_certbot_dns_plugin, or name each host."
            )
    mistakes.tell()


def _routes(stack: Stack, rates: Mapping[str, str]) -> tuple[SiteRoute, ...]:
    if not stack.routes:
        raise UserError("stack_routes is empty: say which service answers, such as {path: /, service: front}.")
    mistakes, parsed = Mistakes(), list[SiteRoute]()
    seen: dict[tuple[str, str], int] = {}
    for index, data in enumerate(stack.routes):
        route = mistakes.attempt(partial(_route, data, index, rates, stack.domain), None)
        if not route:
            continue
        first = seen.setdefault((route.host, route.path), index)
        if first != index:
            mistakes.append(f"stack_routes[{index}].path means the same as that of stack_routes[{first}].")
        parsed.append(route)
    mistakes.tell()
    return tuple(parsed)


def _route(route: Route, index: int, rates: Mapping[str, str], domain: str) -> SiteRoute:
    size = route.body_size
    if not 0.001 <= route.timeout <= LONGEST:
        raise UserError(f"stack_routes[{index}].timeout: write a time from 1ms to 7d.")
    return SiteRoute(
        path=_path(route.path, f"stack_routes[{index}].path"),
        service=route.service,
        timeout=route.timeout,
        body_bytes=parse_size(size, f"stack_routes[{index}].body_size") if size else None,
        limit=_limit(route, index, rates),
        stream=route.stream,
        host="" if route.host == domain else route.host,
        port=route.port,
    )


def _path(path: str, where: str) -> str:
    """The path as nginx compares it: decoded.

    Raises:
        UserError: nginx would never see such a path.
    """
    try:
        decoded = unquote(path, errors="strict")
    except UnicodeDecodeError:
        decoded = "\0"
    if re.search(r"%(?![0-9A-Fa-f]{2})", path) or re.search(r"[\x00-\x1f\x7f]", decoded):
        raise UserError(f"{where}: {path!r} is no path of UTF-8 text; write % as %25.")
    # nginx takes these out of a request before it looks for a route.
    normal = "/" + posixpath.normpath(re.sub("/+", "/", decoded)).strip("/")
    if normal != "/" and decoded.endswith(("/", "/.", "/..")):
        normal += "/"
    if normal != decoded:
        raise UserError(f"{where}: no request ever has the path {path!r}; write {quote(normal)}.")
    return decoded


def _limit(route: Route, index: int, rates: Mapping[str, str]) -> Limit | None:
    """A burst alone is one on the default rate."""
    if not (route.rate_limit or route.burst):
        return None
    name = route.rate_limit or DEFAULT_RATE
    where = f"stack_routes[{index}].rate_limit"
    if name in rates:
        return Limit(zone=name, rate=rates[name], burst=route.burst)
    if "/" in name:
        _check_rate(name, where)
        # A dot, as no name in nginx_certbot_rate_limits has one.
        return Limit(zone=name.replace("/", "."), rate=name, burst=route.burst)
    hint = nearest(name, rates) or f"; it has {', '.join(rates)}"
    raise UserError(f"{where}: no {name!r} in nginx_certbot_rate_limits{hint}.")


def _check_rate(rate: Any, where: str) -> None:
    if not _RATE.fullmatch(str(rate)):
        raise UserError(f"{where}: {rate!r} is no rate; write one such as 10r/s or 30r/m.")


def _headers(headers: Mapping[str, Any]) -> dict[str, str]:
    mistakes = Mistakes()
    for name in headers:
        if not _HEADER.fullmatch(str(name)):
            mistakes.append(f"nginx_certbot_security_headers: {name!r} is no name of a header.")
        if str(name).lower() == "content-security-policy":
            mistakes.append("nginx_certbot_security_headers: the policy has a setting of its own, nginx_certbot_csp.")
    read = {
        str(name): mistakes.attempt(partial(_literal, str(value), f"nginx_certbot_security_headers.{name}"), "")
        for name, value in headers.items()
    }
    mistakes.tell()
    return read


def _literal(value: str, where: str) -> str:
    # nginx has no way to write a literal dollar sign.
    if re.search(r"[$\x00-\x1f\x7f]", value):
        raise UserError(f"{where} may hold neither line breaks nor a dollar sign.")
    if len(quote_parameter(value).encode()) > LONGEST_HEADER:
        raise UserError(f"{where} is longer than {LONGEST_HEADER} bytes, which nginx cannot send; shorten it.")
    return value


def _htpasswd(entries: list[str]) -> tuple[str, ...]:
    for entry in entries:
        if not _HTPASSWD.fullmatch(entry):
            raise UserError(
                "nginx_certbot_basic_auth: an entry is no user with a hashed password; "
                "keep user: password in the vault, the role hashes it."
            )
    return tuple(entries)


def check_beside(site: Site, others: Mapping[str, Site]) -> None:
    """No two stacks claim one name.

    Raises:
        UserError: Another stack on this host serves one of the site's names.
    """
    for name, other in others.items():
        ports = {(p.port, p.protocol) for p in site.ports} & {(p.port, p.protocol) for p in other.ports}
        if name != site.name and ports:
            raise UserError(f"nginx_certbot_ports: port {min(ports)[0]} is taken by stack {name!r} on this host.")
        claimed = set(site.names) & set(other.names)
        if name != site.name and claimed:
            raise UserError(
                f"stack_domain: {min(claimed)} is served by stack {name!r} on this host already; "
                "choose another name, or take that stack off the edge first (nginx_certbot_state: absent)."
            )
