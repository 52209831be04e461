# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Adds a service's domains to its Compose file, as labels for Traefik."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

NETWORK = "dokploy-network"


class ConversionError(Exception):
    """The deployment fails with this text in its log."""


class _Loader(yaml.SafeLoader):
    """Keeps merges as they are, so that what is added to a service hides what it would merge."""

    def flatten_mapping(self, node: Any) -> None:
        pass


_Loader.add_constructor("tag:yaml.org,2002:merge", lambda loader, node: "<<")


def convert(text: str, row: dict[str, Any], domains: Iterable[dict[str, Any]]) -> str:
    """The Compose file of a service, as `docker compose` gets it."""
    compose = yaml.load(text, Loader=_Loader)
    if not isinstance(compose, dict):
        raise ConversionError("Compose file not found")
    app_name, isolated = row["appName"], row["isolatedDeployment"]
    if isolated:
        for service in (compose.get("services") or {}).values():
            _join(service, app_name)
        compose.setdefault("networks", {})[app_name] = {"name": app_name, "external": True}
    for domain in domains:
        if not domain.get("enabled", True):
            continue
        service = (compose.get("services") or {}).get(domain["serviceName"])
        if service is None:
            raise ConversionError(
                f'Domain "{domain["host"]}" is attached to service "{domain["serviceName"]}" which does not exist '
                "in the compose"
            )
        _label(service, app_name, domain, app_name if isolated else NETWORK)
        if not isolated:
            _join(service, NETWORK, "default")
            compose.setdefault("networks", {})[NETWORK] = {"external": True}
    return yaml.safe_dump(compose, sort_keys=False, width=1000).replace("'<<':", "<<:")


def _join(service: dict[str, Any], *names: str) -> None:
    networks = service.setdefault("networks", [])
    for name in names:
        if isinstance(networks, dict):
            networks.setdefault(name, {})
        elif name not in networks:
            networks.append(name)


def _label(service: dict[str, Any], app_name: str, domain: dict[str, Any], network: str) -> None:
    labels = service.get("labels") or []
    added = [label for entrypoint in _entrypoints(domain) for label in _routing(app_name, domain, entrypoint)]
    if isinstance(labels, list):
        enabled, joined = "traefik.enable=true", f"traefik.docker.network={network}"
        labels = [*added, *([] if enabled in labels else [enabled]), *labels]
        service["labels"] = [*([] if joined in labels else [joined]), *labels]
    else:
        labels |= {"traefik.enable": "true", "traefik.docker.network": network}
        service["labels"] = labels | dict(label.split("=", 1) for label in added)


def _entrypoints(domain: dict[str, Any]) -> list[str]:
    return ["web", "websecure"] if domain["https"] else ["web"]


def _routing(app_name: str, domain: dict[str, Any], entrypoint: str) -> list[str]:
    name = f"{app_name}-{domain['uniqueConfigKey']}"
    router, routed = f"{name}-{entrypoint}", domain["path"] not in (None, "/")
    path = f" && PathPrefix(`{domain['path']}`)" if routed else ""
    labels = [
        f"traefik.http.routers.{router}.rule=Host(`{domain['host']}`){path}",
        f"traefik.http.routers.{router}.entrypoints={entrypoint}",
        f"traefik.http.services.{router}.loadbalancer.server.port={domain['port']}",
        f"traefik.http.routers.{router}.service={router}",
    ]
    redirects = entrypoint == "web" and domain["https"]
    middlewares: list[str] = []
    inner = domain.get("internalPath") or "/"
    for wanted, kind, setting in (
        (domain.get("stripPath") and routed, "stripprefix", f"prefixes={domain['path']}"),
        (inner != "/", "addprefix", f"prefix={inner}"),
    ):
        if wanted and entrypoint == "web":
            labels.append(f"traefik.http.middlewares.{kind}-{name}.{kind}.{setting}")
        if wanted:
            middlewares.append(f"{kind}-{name}")
    # A router that only redirects has nothing else to do.
    middlewares = ["redirect-to-https@file"] if redirects else [*middlewares, *(domain["middlewares"] or [])]
    if middlewares:
        labels.append(f"traefik.http.routers.{router}.middlewares={','.join(middlewares)}")
    if entrypoint == "websecure" and domain["certificateType"] == "letsencrypt":
        labels.append(f"traefik.http.routers.{router}.tls.certresolver=letsencrypt")
    elif entrypoint == "websecure" and domain["certificateType"] == "none":
        labels.append(f"traefik.http.routers.{router}.tls=true")
    return labels
