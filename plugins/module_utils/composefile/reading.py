# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a project as Compose resolves it to the stack description, and all that there is to say of it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import nearest
from .apart import Apart, tell_needed
from .findings import Findings, correction
from .form import conditions, plain_keys, replicas
from .kinds import KINDS, Decided, Kind, kind_of, repository
from .mounts import Mounted, Reader, Tree, project_files
from .names import service_key
from .networks import aliases_of, read_networks
from .order import Orders
from .ports import collisions, edge_ports, ends_tls, publish, web_port
from .proxies import offered_routes, passes_on
from .routes import Routes, candidates, read_routes
from .secretfiles import build_secrets, secret_files
from .tokens import fill_in, tokens
from .variables import Variables

_POSTGRES = ("postgres", "postgis", "pgvector", "timescaledb", "postgresql")
CORRECTIONS = ("kind", "allow", "mounts")
_ALLOWED = ("docker_socket", "privileged")


@dataclass(frozen=True)
class Asked:
    """What the settings say of a project."""

    tree: Tree
    secrets: Container[str] = ()
    """Names of the secrets that there are."""
    domain: str = ""
    routes: Sequence[Mapping[str, Any]] | None = None
    """None where labels of a proxy may say it."""
    corrections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variables: Variables = field(default_factory=Variables)


@dataclass(frozen=True)
class ReadService:
    """How one service was read."""

    name: str
    """Compose's."""
    key: str
    """Its name in the description."""
    decided: Decided
    form: Mapping[str, Any]
    """Its part of `stack_services`; empty for one that is not started."""


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
    _check_corrections(resolved.get("services") or {}, asked.corrections, findings)
    offered = offered_routes(services, findings) if asked.routes is None else []
    decided = {name: _decide(name, services, _routed(asked.routes, offered), resolved, asked) for name in services}
    if asked.routes is None and not offered:
        asked = _with_only_route(asked, services, decided, findings)
    _data_before_release(services, decided, findings)
    _one_writer(services, decided, asked.corrections, findings)
    read = _Project(resolved, asked, services, decided, findings)
    keys = read.keys
    routes = read_routes(Routes(services, decided, keys, asked.routes, offered, asked.domain), findings)
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


def _check_corrections(
    services: Mapping[str, Any], corrections: Mapping[str, Mapping[str, Any]], findings: Findings
) -> None:
    for name, told in corrections.items():
        where = f"stack_compose_services.{name}"
        if name not in services:
            findings.refuse(where, f"the project has no such service{nearest(name, services)}")
        kind = told.get("kind")
        if kind is not None and kind not in (*KINDS, "none"):
            findings.refuse(f"{where}.kind", f"{kind!r} is none of {', '.join((*KINDS, 'none'))}")
        for word in told.get("allow") or []:
            if word not in _ALLOWED:
                findings.refuse(f"{where}.allow", f"{word!r} is none of {', '.join(_ALLOWED)}")


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


def _data_before_release(services: Mapping[str, Any], decided: dict[str, Decided], findings: Findings) -> None:
    """What data waits for comes up with the data; a job that does so keeps no release waiting, and is done before."""
    for name, service in services.items():
        if decided[name].kind != "data":
            continue
        for other in service.get("depends_on") or {}:
            if other in decided and decided[other].kind not in ("data", "edge"):
                findings.decide(
                    f"services.{name}.depends_on.{other}",
                    f"{name} is data, up before a release, and {other} ({decided[other].kind}) is of the release",
                    f"{correction(other, 'kind: data')}, or {correction(name, 'kind: worker')}",
                )


def _one_writer(
    services: Mapping[str, Any], decided: Mapping[str, Decided], corrections: Mapping[str, Any], findings: Findings
) -> None:
    """Two databases on one volume are none: one of them is likely what prepares it."""
    writers: dict[str, list[str]] = {}
    for name, service in services.items():
        for mount in service.get("volumes") or []:
            if decided[name].kind == "data" and mount["type"] == "volume" and not mount.get("read_only"):
                writers.setdefault(str(mount.get("source") or ""), []).append(name)
    for source, names in writers.items():
        unsaid = [n for n in names if not (corrections.get(n) or {}).get("kind")]
        if source and len(names) > 1 and unsaid:
            findings.decide(
                f"volumes.{source}",
                f"{', '.join(names)} are read as data and write to one volume: which of them only prepare it",
                "; ".join(correction(n, "kind: job") for n in unsaid),
            )


@dataclass(frozen=True)
class _Project:
    resolved: Mapping[str, Any]
    asked: Asked
    services: Mapping[str, Mapping[str, Any]]
    decided: Mapping[str, Decided]
    findings: Findings

    @property
    def keys(self) -> dict[str, str]:
        """Compose's names to the description's."""
        keys: dict[str, str] = {}
        for name in self.services:
            keys[name] = service_key(name, set(keys.values()))
        return keys

    def service(self, name: str, routes: Sequence[Mapping[str, Any]], apart: Apart) -> ReadService:
        """One service as the description has it."""
        service, decided, keys = self.services[name], self.decided[name], self.keys
        if decided.kind == "edge":
            if not (self.asked.corrections.get(name) or {}).get("kind"):
                edge_ports(name, service, self.findings)
            return ReadService(name, keys[name], decided, {})
        told = self.asked.corrections.get(name) or {}
        if decided.kind != "data" and not told.get("kind"):
            ends_tls(name, service, self.findings)
        form = plain_keys(name, service, self.findings)
        self._allow(name, service, told)
        web = {int(r["port"]) for r in routes if r["service"] == keys[name] and r.get("port")}
        port = None
        if decided.kind == "web":
            mine = [r for r in routes if r["service"] == keys[name]]
            first = next((int(r["port"]) for r in mine if r.get("port")), None)
            port = int(told["port"]) if told.get("port") else web_port(name, service, first, self.findings)
            form["port"] = port
            web.add(port or 0)
        mounted = self._mounts(name, service, told)
        form |= {k: v for k, v in (("volumes", mounted.volumes), ("files", mounted.files)) if v}
        if tmpfs := [*(str(t) for t in service.get("tmpfs") or []), *mounted.tmpfs]:
            form["tmpfs"] = tmpfs
        form["role"] = {"data": "worker"}.get(decided.kind, decided.kind)
        if decided.kind == "data":
            form["stateful"] = True
            form.pop("role")
            if repository(service) in _POSTGRES:
                form["backup"] = "postgres"
        orders = Orders(self.services, self.decided, self.resolved.get("volumes") or {}, self.asked.tree, self.findings)
        order = orders.of(name, mounted, str(told.get("order") or ""))
        if order:
            form["order"] = order
        if ports := publish(
            name, service, decided.kind, decided.kind == "data" or order == "stop_first", web, self.findings
        ):
            form["publish"] = ports
        if replicas(service) > 1:
            self._replicas(name, service, decided.kind, form)
        known = {n for n in self.services if self.decided[n].kind != "edge"}
        depends = conditions(name, service, dict.fromkeys(known), self.findings)
        form["depends_on"] = {keys[n]: word for n, word in depends.items()}
        if aliases := aliases_of(name, keys[name], service, self.services):
            form["aliases"] = aliases
        read_networks(name, service, self.resolved.get("networks") or {}, self.findings)
        env, secrets = apart.environment(name, service.get("environment") or {})
        secrets += secret_files(service, self.resolved.get("secrets") or {}, env, apart)
        if form.get("build"):
            self._build(name, service["build"], form["build"], apart)
        secrets += self._texts(form, secrets)
        form |= {k: v for k, v in (("env", env), ("secrets", secrets)) if v}
        form["env_blank"] = True
        form |= {k: v for k, v in told.items() if k not in CORRECTIONS}
        return ReadService(name, keys[name], decided, form)

    def _build(self, name: str, build: Mapping[str, Any], form: dict[str, Any], apart: Apart) -> None:
        """Secrets of a build; an argument is no place for one, since it stays in the image's history."""
        if secrets := build_secrets(build, self.resolved.get("secrets") or {}):
            form["secrets"] = secrets
        for argument, value in (form.get("args") or {}).items():
            key = f"services.{name}.build.args.{argument}"
            names = tokens(value)
            if names and all(n in apart.literals and n not in apart.given for n in names):
                form["args"][argument] = fill_in(value, apart.literals)
                self.findings.note(key, "a secret in an argument stays in the image's history", "build.secrets")
            elif names:
                self.findings.decide(
                    key,
                    f"{', '.join(sorted(names))} would stay in the image's history",
                    f"build.secrets in its place, or stack_compose_env: {{{min(names)}: …}} where it is public",
                )

    def _texts(self, form: Mapping[str, Any], secrets: Sequence[Any]) -> list[Any]:
        """Secrets that stand within commands, checks and files."""
        taken = {s if isinstance(s, str) else s["name"] for s in secrets}
        return [{"name": name, "as": "text"} for name in sorted(tokens(form) - taken)]

    def _allow(self, name: str, service: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        if service.get("privileged") and "privileged" not in (told.get("allow") or []):
            self.findings.decide(
                f"services.{name}.privileged",
                "a privileged container is root of the server",
                correction(name, "allow: [privileged]"),
            )

    def _mounts(self, name: str, service: Mapping[str, Any], told: Mapping[str, Any]) -> Mounted:
        allowed = "docker_socket" in (told.get("allow") or [])
        as_told = {str(k): str(v) for k, v in (told.get("mounts") or {}).items()}
        reader = Reader(name, self.asked.tree, self.resolved.get("volumes") or {}, as_told, allowed, self.findings)
        mounted = reader.read(list(service.get("volumes") or []))
        configs = self.resolved.get("configs") or {}
        mounted.files += project_files(
            service.get("configs") or [], configs, self.asked.variables.values, self.findings
        )
        return mounted

    def _replicas(self, name: str, service: Mapping[str, Any], kind: Kind, form: dict[str, Any]) -> None:
        if kind in ("data", "job") or form.get("publish"):
            self.findings.decide(
                f"services.{name}.deploy.replicas",
                f"{replicas(service)} of a service that is {kind}"
                + (" and has ports of its own" if form.get("publish") else ""),
                "deploy: {replicas: 1} in a further file of stack_compose.files",
            )
        else:
            form["replicas"] = replicas(service)
