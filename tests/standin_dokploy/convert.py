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


def convert(text: str, app_name: str, domains: Iterable[dict[str, Any]]) -> str:
    compose = yaml.safe_load(text)
    if not isinstance(compose, dict):
        raise ConversionError("Compose file not found")
    for domain in domains:
        service = (compose.get("services") or {}).get(domain["serviceName"])
        if service is None:
            raise ConversionError(f"The service {domain['serviceName']} not found in the compose")
        _label(service, app_name, domain)
        networks = service.setdefault("networks", [])
        for name in (NETWORK, "default"):
            if isinstance(networks, dict):
                networks.setdefault(name, {})
            elif name not in networks:
                networks.append(name)
        compose.setdefault("networks", {})[NETWORK] = {"external": True}
    return yaml.safe_dump(compose, sort_keys=False, width=1000)


def _label(service: dict[str, Any], app_name: str, domain: dict[str, Any]) -> None:
    labels = service.setdefault("labels", [])
    if not isinstance(labels, list):
        # A mapping is left alone, and the domain does not work.
        return
    labels.append("traefik.enable=true")
    labels.append(f"traefik.docker.network={NETWORK}")
    for entrypoint in ["web", "websecure"] if domain["https"] else ["web"]:
        router = f"{app_name}-{domain['uniqueConfigKey']}-{entrypoint}"
        path = f" && PathPrefix(`{domain['path']}`)" if domain["path"] not in (None, "/") else ""
        labels += [
            f"traefik.http.routers.{router}.rule=Host(`{domain['host']}`){path}",
            f"traefik.http.routers.{router}.entrypoints={entrypoint}",
            f"traefik.http.services.{router}.loadbalancer.server.port={domain['port']}",
        ]
        middlewares = ["redirect-to-https@file"] if domain["https"] and entrypoint == "web" else []
        middlewares += domain["middlewares"] or []
        if middlewares:
            labels.append(f"traefik.http.routers.{router}.middlewares={','.join(middlewares)}")
        if entrypoint == "websecure" and domain["certificateType"] == "letsencrypt":
            labels.append(f"traefik.http.routers.{router}.tls.certresolver=letsencrypt")
