# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One service of a project in the description's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..secretvalues.tokens import fill_in, tokens
from .apart import Apart
from .asked import Asked, ReadService
from .checks import CORRECTIONS
from .configs import project_files
from .findings import Findings, correction
from .form import conditions, plain_keys, replicas
from .kinds import Decided, Kind, repository
from .mounts import Mounted, Reader
from .names import service_key
from .networks import aliases_of, read_networks
from .order import Orders
from .ports import edge_ports, ends_tls, publish, web_port
from .secretfiles import build_secrets, secret_files

_POSTGRES = ("postgres", "postgis", "pgvector", "timescaledb", "postgresql")
# Where the description calls a key by another name.
_KEYS = {"health": "healthcheck", "runtime": "labels", "files": "configs"}
_TEXTS = ("command", "entrypoint", "health")


@dataclass(frozen=True)
class ProjectReader:
    """Reads one service after the other."""

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
        secrets += self._texts(name, form)
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

    def _texts(self, name: str, form: Mapping[str, Any]) -> list[dict[str, str]]:
        """The secrets within what it is started with; elsewhere there is no way for one to be carried."""
        taken: set[str] = set()
        for key, part in form.items():
            found = sorted(tokens(part))
            where = f"services.{name}.{_KEYS.get(key, key)}"
            if found and key in _TEXTS:
                taken.update(found)
                self.findings.note(
                    where,
                    f"{', '.join(found)} stands in it, and so in the container's arguments, which whoever may list"
                    " processes can read",
                    "a variable of the container in its place keeps it from there, such as"
                    f' ["sh", "-c", "exec … $${found[0]}"] with {found[0]} in environment',
                )
            elif found:
                self.findings.decide(
                    where,
                    f"{', '.join(found)} stands within a text, to which no secret is carried",
                    f"in a further file of stack_compose.files the same without it, and {found[0]} in environment",
                )
        return [{"name": secret, "as": "text"} for secret in sorted(taken)]

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
            service.get("configs") or [], configs, self.asked.variables.values, self.findings, self.asked.tree.directory
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
