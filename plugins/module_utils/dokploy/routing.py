# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts a plan of domains into effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import UserError, nearest
from .client import Client
from .composefile import read_compose_file
from .domains import Domain, Plan, difference, plan_domains, summary
from .projects import Change
from .services import read_service


def ensure_domains(
    client: Client,
    compose_id: str | None,
    wanted: Iterable[Domain],
    *,
    present: bool,
    purge: bool,
    check: bool,
) -> Change:
    """The service has these domains, or no longer has them."""
    wanted = list(wanted)
    rows: list[Mapping[str, Any]] = []
    if compose_id:
        rows = client.get("domain.byComposeId", composeId=compose_id) or []
    elif not check:
        raise UserError("compose_id is empty; it is what dokploy_compose returns")
    plan = plan_domains(rows, wanted, present=present, purge=purge)
    outcome = _describe(plan, rows)
    if plan and compose_id and not check:
        if plan.create or plan.update:
            _check_services(client, compose_id, wanted)
        _apply(client, compose_id, plan)
        rows = client.get("domain.byComposeId", composeId=compose_id) or []
        _check_result(rows, wanted if present else [])
    outcome.values = {"domains": [summary(row) for row in rows]}
    return outcome


def _describe(plan: Plan, rows: Iterable[Mapping[str, Any]]) -> Change:
    by_id = {row["domainId"]: row for row in rows}
    outcome = Change(changed=bool(plan))
    for fields in plan.create:
        outcome.after[f"{fields['host']}{fields['path']}"] = fields
    for domain_id, fields in plan.update.items():
        name = f"{by_id[domain_id]['host']}{by_id[domain_id].get('path') or '/'}"
        outcome.before[name] = {key: by_id[domain_id].get(key) for key in fields}
        outcome.after[name] = fields
    for domain_id, name in plan.delete.items():
        outcome.before[name] = {"serviceName": by_id[domain_id].get("serviceName")}
    return outcome


def _apply(client: Client, compose_id: str, plan: Plan) -> None:
    for domain_id in plan.delete:
        client.post("domain.delete", domainId=domain_id)
    for domain_id, fields in plan.update.items():
        client.post("domain.update", domainId=domain_id, **fields)
    for fields in plan.create:
        client.post("domain.create", composeId=compose_id, domainType="compose", **fields)


def _check_services(client: Client, compose_id: str, wanted: Iterable[Domain]) -> None:
    """Dokploy takes any service name, and each deployment then fails; a Git source is seen only then."""
    stored = read_service(client, compose_id)
    if stored.get("sourceType") == "raw":
        check_service_names(read_compose_file(stored.get("composeFile") or "").services, wanted)


def check_service_names(services: Iterable[str], wanted: Iterable[Domain]) -> None:
    """Refuse a domain for a service that the Compose file does not have.

    Raises:
        UserError: Names the domain and the services there are.
    """
    services = list(services)
    for domain in wanted:
        if domain.service not in services:
            raise UserError(
                f"domain {domain.host}{domain.path}: the Compose file has no service {domain.service!r}"
                f"{nearest(domain.service, services)}; it has {', '.join(services)}"
            )


def _check_result(rows: Iterable[Mapping[str, Any]], wanted: Iterable[Domain]) -> None:
    stored = {(str(row.get("host")).lower(), row.get("path") or "/"): row for row in rows}
    for domain in wanted:
        row = stored.get(domain.key)
        missing = difference(row, domain) if row else {"it at all": True}
        if missing:
            raise UserError(
                f"Dokploy accepted domain {domain.host}{domain.path} but did not store "
                f"{', '.join(sorted(missing))}; run again, then look there"
            )
