# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The routes of a project: the user's own, or those that a proxy's labels name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import nearest
from .findings import Findings
from .kinds import Decided, targets
from .profiles import LeftOut
from .proxies import Offered, upstreams
from .tables import DATABASE_PORTS, OTHER_PORTS


@dataclass(frozen=True)
class Routes:
    """What routes are made of."""

    services: Mapping[str, Mapping[str, Any]]
    decided: Mapping[str, Decided]
    keys: Mapping[str, str]
    """Compose's names to the description's."""
    asked: Sequence[Mapping[str, Any]] | None
    offered: Sequence[Offered]
    domain: str
    left_out: LeftOut = field(default_factory=LeftOut)


def read_routes(given: Routes, findings: Findings) -> list[dict[str, Any]]:
    """Routes in the description's form."""
    if given.asked is not None:
        return _asked(given, findings)
    if given.offered:
        return _offered(given, findings)
    found = candidates(given.services, given.decided)
    first = found[0] if found else (next(iter(given.services), "app"), 8080)
    listed = ", ".join(f"{name}:{port}" for name, port in found) or "none listens on a port"
    if any(d.kind not in ("data", "edge") for d in given.decided.values()):
        findings.decide(
            "services",
            f"which service answers requests is not said; those that could: {listed}",
            f"stack_routes: [{{path: /, service: {first[0]}, port: {first[1]}}}]",
        )
    return []


def _asked(given: Routes, findings: Findings) -> list[dict[str, Any]]:
    names = {**{key: key for key in given.keys.values()}, **given.keys}
    routes = []
    for index, route in enumerate(given.asked or ()):
        service = str(route.get("service"))
        where = f"stack_routes[{index}].service"
        if why := given.left_out.why(service):
            findings.refuse(where, why, f"{given.left_out.line(service)} in stack_compose")
        elif service not in names:
            findings.refuse(where, f"the project has no service {service!r}{nearest(service, given.services)}")
        elif _kind(given, service) in ("data", "edge", "job"):
            findings.refuse(where, f"{service} is {_kind(given, service)}; a route leads to a service of the release")
        else:
            routes.append({**route, "service": names[service]})
    return routes


def _kind(given: Routes, service: str) -> str:
    name = next((n for n, key in given.keys.items() if service in (n, key)), service)
    return given.decided[name].kind


def _offered(given: Routes, findings: Findings) -> list[dict[str, Any]]:
    hosts = list(dict.fromkeys(h for o in given.offered for h in o.hosts))
    own = {given.domain, f"www.{given.domain}", ""}
    base = _base(hosts)
    if base and given.domain and not own.intersection(hosts):
        findings.note(
            f"services.{given.offered[0].service}.labels", f"{base} is taken for stack_domain, {given.domain}"
        )
        own |= {base, f"www.{base}"}
    else:
        base = ""
    routes: dict[tuple[str, str], dict[str, Any]] = {}
    for offer in given.offered:
        for said in offer.hosts or ("",):
            # Names below the file's own domain are names below the stack's.
            host = said.removesuffix(base) + given.domain if base and said.endswith(f".{base}") else said
            if host not in own and not _is_host(host):
                findings.decide(
                    f"services.{offer.service}.labels", f"{host!r} is no host name", "stack_routes: […], by hand"
                )
                continue
            route: dict[str, Any] = {"path": offer.path, "service": given.keys[offer.service]}
            if offer.port:
                route["port"] = offer.port
            if host not in own:
                route["host"] = host
            taken = routes.setdefault((route.get("host", ""), offer.path), route)
            if taken["service"] != route["service"]:
                findings.decide(
                    f"services.{offer.service}.labels",
                    f"{offer.path} of {host or given.domain} leads to {taken['service']} and {route['service']}",
                    "stack_routes: […], with the one that is meant",
                )
    return list(routes.values())


def _base(hosts: Sequence[str]) -> str:
    """The one of several names that all others lie below."""
    shortest = min(hosts, key=len, default="")
    return shortest if all(h == shortest or h.endswith(f".{shortest}") for h in hosts) else ""


def _is_host(host: str) -> bool:
    return "." in host and all(c.isalnum() or c in ".-" for c in host)


def candidates(services: Mapping[str, Mapping[str, Any]], decided: Mapping[str, Decided]) -> list[tuple[str, int]]:
    """Services that may answer requests and a port of each, the likeliest first."""
    found = []
    edges = [service for name, service in services.items() if decided[name].kind == "edge"]
    passed_on = dict(pair for service in edges for pair in upstreams(service, services))
    asked_by_edge = {*passed_on, *(name for service in edges for name in service.get("depends_on") or {})}
    for name, service in services.items():
        if decided[name].kind in ("data", "edge", "job"):
            continue
        ports = [p for p in targets(service) if p not in OTHER_PORTS and p not in DATABASE_PORTS]
        if name in passed_on:
            ports = [passed_on[name], *ports]
        if ports:
            found.append((name not in asked_by_edge, not service.get("ports"), name, ports[0]))
    return [(name, port) for *_, name, port in sorted(found, key=lambda c: c[:2])]
