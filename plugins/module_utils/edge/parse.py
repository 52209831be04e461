# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the role's settings to the model, or to one sentence that says what is wrong."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote, unquote, urlsplit

from ..errors import UserError, nearest
from ..sizes import parse_size
from ..stack import Route, Stack
from ..stack.model import WILDCARD
from .headers import CONTENT_SECURITY_POLICY, LONGEST_HEADER
from .pages import MAINTENANCE
from .parse_access import networks, parse_access, parse_cache, parse_extra, parse_ports
from .parse_host import within
from .site import Certificate, Limit, Site, SiteRoute
from .text import quote as quote_parameter

_RATE = re.compile(r"[1-9]\d{0,5}r/[sm]")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
# Names of plugins and profiles end up in an argv: no dash in front.
_WORD = re.compile(r"[a-z0-9][a-z0-9-]*")
_HTPASSWD = re.compile(r"[^:\s]+:\$[0-9a-z]+\$[^\s:]+")
_RATE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST_TIMEOUT = 7 * 86400
DEFAULT_RATE = "default"


def parse_site(stack: Stack, settings: Mapping[str, Any]) -> Site:
    """One stack's settings.

    Raises:
        UserError: The first mistake found.
    """
    if not stack.domain:
        raise UserError("stack_domain is missing: the edge serves a stack under its domain.")
    if not stack.routes:
        raise UserError("stack_routes is empty: say which service answers, such as {path: /, service: front}.")
    rates = {DEFAULT_RATE: "20r/s", **(settings.get("rate_limits") or {})}
    for name, rate in rates.items():
        if not _RATE_NAME.fullmatch(str(name)):
            raise UserError(f"nginx_certbot_rate_limits: {name!r} is no name of letters, digits, dashes, underscores.")
        _check_rate(rate, f"nginx_certbot_rate_limits.{name}")
    csp = settings.get("csp")
    routes = _routes(stack, rates)
    taken = (settings.get("http_port", 80), settings.get("https_port", 443))
    site = Site(
        name=stack.name,
        domains=stack.domains,
        routes=routes,
        certificate=_certificate(settings.get("certificate") or {}),
        headers=_headers(settings.get("security_headers") or {}),
        csp=_literal(CONTENT_SECURITY_POLICY if csp is None else csp, "nginx_certbot_csp"),
        csp_mode=settings.get("csp_mode") or "report",
        csp_hash_scripts=bool(settings.get("csp_hash_scripts")),
        body_bytes=parse_size(settings.get("body_size") or "100MiB", "nginx_certbot_body_size"),
        basic_auth=_htpasswd(settings.get("basic_auth") or []),
        maintenance_page=settings.get("maintenance_page") or MAINTENANCE,
        retry_after=settings.get("retry_after") or 30,
        redirect_aliases=settings.get("aliases") != "serve",
        access=parse_access(settings.get("access") or [], _htpasswd(settings.get("users") or []), routes, stack, _path),
        maintenance_allow=networks(settings.get("maintenance_allow") or [], "nginx_certbot_maintenance_allow"),
        header_bytes=within(settings, "response_header_size", "64KiB", 4096, 1024**2),
        stream_seconds=settings.get("stream_timeout") or 3600,
        cache=parse_cache(settings.get("cache") or {}, _path),
        extra=parse_extra(settings.get("extra") or ""),
        ports=parse_ports(settings.get("ports") or [], stack, taken),
    )
    _check_names(site)
    return site


def _check_names(site: Site) -> None:
    for host in site.hosts:
        if host in site.aliases:
            raise UserError(f"stack_domain_aliases: {host} is the host of a route; remove it from the aliases.")
    for domain in site.names:
        if site.certificate.kind == "acme" and "." not in domain:
            raise UserError(f"stack_domain: {domain!r} has no dot; no CA certifies such a name.")
        if site.certificate.kind == "acme" and domain.startswith(WILDCARD) and not site.certificate.dns_plugin:
            raise UserError(
                f"stack_domain_aliases: {domain} is a wildcard, which a CA certifies by DNS-01 alone: set"
                " nginx_certbot_dns_plugin, or name each host."
            )


def _routes(stack: Stack, rates: Mapping[str, str]) -> tuple[SiteRoute, ...]:
    parsed = tuple(_route(route, index, rates, stack.domain) for index, route in enumerate(stack.routes))
    seen: dict[tuple[str, str], int] = {}
    for index, route in enumerate(parsed):
        first = seen.setdefault((route.host, route.path), index)
        if first != index:
            raise UserError(f"stack_routes[{index}].path means the same as that of stack_routes[{first}].")
    return parsed


def _route(route: Route, index: int, rates: Mapping[str, str], domain: str) -> SiteRoute:
    size = route.body_size
    if not 0.001 <= route.timeout <= _LONGEST_TIMEOUT:
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


def _certificate(settings: Mapping[str, Any]) -> Certificate:
    known = Certificate.__dataclass_fields__
    certificate = Certificate(**{k: v for k, v in settings.items() if k in known and v is not None})
    if certificate.kind != "acme":
        return certificate
    if not re.fullmatch(r"[^@\s-][^@\s]*@[^@\s]+\.[^@\s]+", certificate.email):
        state = f": {certificate.email!r} is no address" if certificate.email else " is missing"
        raise UserError(f"nginx_certbot_email{state}; the CA writes to it about the account.")
    url = urlsplit(certificate.directory)
    if url.scheme != "https" or not url.hostname:
        raise UserError(
            f"nginx_certbot_acme_directory: {certificate.directory!r} is no https URL of an ACME directory."
        )
    for name in ("profile", "dns_plugin"):
        value = cast(str, getattr(certificate, name))
        if value and not _WORD.fullmatch(value):
            raise UserError(f"nginx_certbot_{name}: {value!r} is no name of lower-case letters and dashes.")
    bundle = certificate.ca_bundle
    if bundle and not re.fullmatch(r"/[^:\x00-\x1f]*", bundle):
        raise UserError(f"nginx_certbot_acme_ca_bundle: {bundle!r} is no full path of a file, without a colon.")
    return certificate


def _headers(headers: Mapping[str, Any]) -> dict[str, str]:
    for name in headers:
        if not _HEADER.fullmatch(name):
            raise UserError(f"nginx_certbot_security_headers: {name!r} is no name of a header.")
        if name.lower() == "content-security-policy":
            raise UserError("nginx_certbot_security_headers: the policy has a setting of its own, nginx_certbot_csp.")
    return {name: _literal(str(value), f"nginx_certbot_security_headers.{name}") for name, value in headers.items()}


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
