# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Domains of a Compose service: what to create, update and delete so that the server has what is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UserError
from ..hostname import host_name


@dataclass(frozen=True)
class Domain:
    """One host name, or one path of it, routed to a service."""

    host: str
    service: str
    port: int
    path: str = "/"
    https: bool = True
    certificate: str = "letsencrypt"
    certificate_resolver: str | None = None
    internal_path: str = "/"
    strip_path: bool = False
    middlewares: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        label = f"domain {self.host}{self.path}"
        object.__setattr__(self, "host", host_name(self.host, "host"))
        if not self.path.startswith("/") or not self.internal_path.startswith("/"):
            raise UserError(f"{label}: path and internal_path must start with /")
        if not 1 <= self.port <= 65535:
            raise UserError(f"{label}: port must be from 1 to 65535, not {self.port}")
        if self.https and self.certificate == "custom" and not self.certificate_resolver:
            raise UserError(f"{label}: certificate custom needs certificate_resolver, a resolver of Traefik")

    @property
    def key(self) -> tuple[str, str]:
        """What tells two domains apart."""
        return self.host, self.path

    def fields(self) -> dict[str, Any]:
        """As Dokploy names it, all of it: what is left out is guessed, https then has no certificate."""
        return {
            "host": self.host,
            "path": self.path,
            "serviceName": self.service,
            "port": self.port,
            "https": self.https,
            "certificateType": self.certificate if self.https else "none",
            "customCertResolver": self.certificate_resolver,
            "internalPath": self.internal_path,
            "stripPath": self.strip_path,
            "middlewares": list(self.middlewares),
        }


@dataclass
class Plan:
    """What has to happen on the server."""

    create: list[dict[str, Any]] = field(default_factory=list)
    update: dict[str, dict[str, Any]] = field(default_factory=dict)
    delete: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.create or self.update or self.delete)


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row.get("host")).lower(), row.get("path") or "/"


def plan_domains(
    current: Iterable[Mapping[str, Any]],
    wanted: Iterable[Domain],
    *,
    present: bool = True,
    purge: bool = False,
) -> Plan:
    """Compare.

    Args:
        current: The answer of `domain.byComposeId`.
        wanted: The domains that are to be there, or to be gone.
        present: Whether they are to be there.
        purge: Delete the service's other domains.

    Raises:
        UserError: A domain is asked for twice, or exists more than once.
    """
    rows: dict[tuple[str, str], Mapping[str, Any]] = {}
    keys: set[tuple[str, str]] = set()
    for domain in wanted:
        if domain.key in keys:
            raise UserError(f"domain {domain.host}{domain.path} is listed twice; remove one of them")
        keys.add(domain.key)
    current = list(current)
    for row in current:
        key = _key(row)
        if key in rows and key in keys:
            ids = ", ".join(str(r.get("domainId")) for r in current if _key(r) == key)
            raise UserError(
                f"domain {key[0]}{key[1]} exists more than once on this service (ids {ids}), "
                "so requests may go to either; delete all but one in Dokploy"
            )
        rows[key] = row
    plan = Plan()
    for domain in wanted:
        existing = rows.get(domain.key)
        if not present:
            if existing:
                plan.delete[existing["domainId"]] = f"{domain.host}{domain.path}"
        elif existing is None:
            plan.create.append(domain.fields())
        else:
            differing = difference(existing, domain)
            if differing:
                plan.update[existing["domainId"]] = {"host": domain.host, **differing}
    if purge and present:
        plan.delete |= {row["domainId"]: "".join(_key(row)) for row in current if _key(row) not in keys}
    return plan


def difference(row: Mapping[str, Any], domain: Domain) -> dict[str, Any]:
    """The fields in which the server's domain is not as wanted; a disabled one is enabled."""
    wanted = domain.fields() | {"enabled": True}
    stored = {"enabled": True, "middlewares": [], "customCertResolver": None} | dict(row)
    stored["middlewares"] = stored["middlewares"] or []
    # Made by hand, it may be in capitals.
    stored["host"] = str(stored.get("host")).lower()
    return {name: value for name, value in wanted.items() if stored.get(name) != value}


def summary(row: Mapping[str, Any]) -> dict[str, Any]:
    """A domain as the modules return it."""
    return {
        "domain_id": row.get("domainId"),
        "host": row.get("host"),
        "path": row.get("path") or "/",
        "service": row.get("serviceName"),
        "port": row.get("port"),
        "https": bool(row.get("https")),
        "certificate": row.get("certificateType"),
    }
