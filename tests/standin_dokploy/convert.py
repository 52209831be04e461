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


def convert(text: str, row: dict[str, Any], domains: Iterable[dict[str, Any]]) -> str:
    """The Compose file of a service, as `docker compose` gets it."""
    compose = yaml.safe_load(text)
    if not isinstance(compose, dict):
        raise ConversionError("Compose file not found")
    app_name, isolated = row["appName"], row["isolatedDeployment"]
    if isolated:
        compose.setdefault("networks", {})[app_name] = {"name": app_name, "external": True}
        for service in (compose.get("services") or {}).values():
            _join(service, app_name)
    for domain in domains:
        service = (compose.get("services") or {}).get(domain["serviceName"])
        if service is None:
            raise ConversionError(f"The service {domain['serviceName']} not found in the compose")
        _label(service, app_name, domain, app_name if isolated else NETWORK)
        if not isolated:
            _join(service, NETWORK, "default")
            compose.setdefault("networks", {})[NETWORK] = {"external": True}
    return yaml.safe_dump(compose, sort_keys=False, width=1000)


def _join(service: dict[str, Any], *names: str) -> None:
    networks = service.setdefault("networks", [])
    for name in names:
        if isinstance(networks, dict):
            networks.setdefault(name, {})
        elif name not in networks:
            networks.append(name)


def _label(service: dict[str, Any], app_name: str, domain: dict[str, Any], network: str) -> None:
    labels = service.setdefault("labels", [])
    added = ["traefik.enable=true", f"traefik.docker.network={network}", *_routing(app_name, domain)]
    if isinstance(labels, list):
        labels += [label for label in added if label not in labels]
    else:
        labels.update(label.split("=", 1) for label in added)


def _routing(app_name: str, domain: dict[str, Any]) -> list[str]:
    labels: list[str] = []
    for entrypoint in ["web", "websecure"] if domain["https"] else ["web"]:
        router = f"{app_name}-{domain['uniqueConfigKey']}-{entrypoint}"
        path = f" && PathPrefix(`{domain['path']}`)" if domain["path"] not in (None, "/") else ""
        labels += [
            f"traefik.http.routers.{router}.rule=Host(`{domain['host']}`){path}",
            f"traefik.http.routers.{router}.entrypoints={entrypoint}",
            f"traefik.http.services.{router}.loadbalancer.server.port={domain['port']}",
            f"traefik.http.routers.{router}.service={router}",
        ]
        middlewares = ["redirect-to-https@file"] if domain["https"] and entrypoint == "web" else []
        middlewares += domain["middlewares"] or []
        if middlewares:
            labels.append(f"traefik.http.routers.{router}.middlewares={','.join(middlewares)}")
        if entrypoint == "websecure" and domain["certificateType"] == "letsencrypt":
            labels.append(f"traefik.http.routers.{router}.tls.certresolver=letsencrypt")
        elif entrypoint == "websecure" and domain["certificateType"] == "none":
            labels.append(f"traefik.http.routers.{router}.tls=true")
    return labels
