# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a project as Compose resolves it to the stack description, and all that there is to say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..secretvalues.tokens import tokens
from .apart import Apart, tell_needed
from .asked import Asked, ReadService
from .checks import check_names, data_before_release, one_writer
from .findings import Findings
from .form import replicas
from .kinds import KINDS, Decided, kind_of
from .ports import collisions
from .proxies import offered_routes, passes_on
from .routes import Routes, candidates, read_routes
from .services import ProjectReader


@dataclass(frozen=True)
class Reading:
    """A whole project."""

    services: tuple[ReadService, ...]
    routes: tuple[Mapping[str, Any], ...]
    findings: Findings
    clear: Mapping[str, str] = field(repr=False)
    """Secrets that stand in the project's files."""
    composed: Mapping[str, str]
    """Secrets that are texts around others."""
    needed: Sequence[str] = ()
    """Secrets that are still to be made."""
    asked: Sequence[str] = ()
    """Secrets that only the user knows."""

    @property
    def stack_services(self) -> dict[str, Mapping[str, Any]]:
        return {s.key: s.form for s in self.services if s.form}

    @property
    def secret_names(self) -> tuple[str, ...]:
        """The secrets that stack_secrets has to hold, but for those that stand in the files."""
        taken = {
            entry if isinstance(entry, str) else entry["name"]
            for s in self.services
            for entry in s.form.get("secrets") or []
        }
        parts = {name for text in self.composed.values() for name in tokens(text)}
        return tuple(sorted((taken | parts) - self.composed.keys() - self.clear.keys()))


def read_project(resolved: Mapping[str, Any], asked: Asked, findings: Findings | None = None) -> Reading:
    """A project's reading.

    Args:
        resolved: What `docker compose config --format json` answers, its doubled dollars undone.
        findings: Those that were made before.
    """
    findings = findings or Findings()
    services = {n: s for n, s in (resolved.get("services") or {}).items() if _wanted(n, s, asked, findings)}
    check_names(resolved.get("services") or {}, asked.corrections, asked.left_out, findings)
    offered = offered_routes(services, findings) if asked.routes is None else []
    decided = {name: _decide(name, services, _routed(asked.routes, offered), resolved, asked) for name in services}
    if asked.routes is None and not offered:
        asked = _with_only_route(asked, services, decided, findings)
    data_before_release(services, decided, findings)
    one_writer(services, decided, asked.corrections, findings)
    read = ProjectReader(resolved, asked, services, decided, findings)
    keys = read.keys
    routes = read_routes(Routes(services, decided, keys, asked.routes, offered, asked.domain, asked.left_out), findings)
    apart = Apart(asked.secrets, findings, needed=dict(asked.variables.needed))
    for secret, (value, place) in asked.variables.literals.items():
        apart.note(secret, value, place)
    collisions({n: s for n, s in services.items() if decided[n].kind != "edge"}, findings)
    found = tuple(read.service(name, routes, apart) for name in services)
    apart.settle()
    tell_needed(apart.needed, findings)
    outside = [*asked.variables.asked, *apart.asked]
    return Reading(
        found,
        tuple(_short(r, found) for r in routes),
        findings,
        apart.clear,
        apart.composed,
        list(apart.needed),
        outside,
    )


def _short(route: Mapping[str, Any], services: Sequence[ReadService]) -> dict[str, Any]:
    """A route without the port, where that is the service's own."""
    own = next((s.form.get("port") for s in services if s.key == route["service"]), None)
    return {key: value for key, value in route.items() if key != "port" or value != own}


def _wanted(name: str, service: Mapping[str, Any], asked: Asked, findings: Findings) -> bool:
    if replicas(service) == 0:
        findings.drop(name, "the service", "replicas is 0")
        return False
    if (asked.corrections.get(name) or {}).get("kind") == "none":
        findings.drop(name, "the service", "as told")
        return False
    return True


def _routed(routes: Sequence[Mapping[str, Any]] | None, offered: Sequence[Any]) -> dict[str, str]:
    if routes is not None:
        return {str(r.get("service")): f"stack_routes leads {r.get('path')} to it" for r in routes}
    return {o.service: o.why for o in reversed(offered)}


def _decide(
    name: str, services: Mapping[str, Any], routed: Mapping[str, str], resolved: Mapping[str, Any], asked: Asked
) -> Decided:
    told = (asked.corrections.get(name) or {}).get("kind")
    if told in KINDS:
        return Decided(told, "as told")
    return kind_of(name, services, routed, passes_on(services[name], resolved.get("configs") or {}))


def _with_only_route(
    asked: Asked, services: Mapping[str, Mapping[str, Any]], decided: dict[str, Decided], findings: Findings
) -> Asked:
    """Where only one service could answer requests, no word is needed that it does."""
    found = candidates(services, decided)
    if len(found) != 1:
        return asked
    name, port = found[0]
    line = f"stack_routes: [{{path: /, service: {name}, port: {port}}}]"
    findings.note(f"services.{name}", f"requests go to its port {port}, no other service could answer them", line)
    decided[name] = Decided("web", "no other service could answer requests")
    return replace(asked, routes=[{"path": "/", "service": name, "port": port}])
