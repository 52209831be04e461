# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Traefik does for Dokploy, done by nginx: routes made from the labels of running containers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REDIRECT = "redirect-to-https@file"
_ROUTER = re.compile(r"traefik\.http\.routers\.(.+)\.rule")
_RULE = re.compile(r"Host\(`([^`]+)`\)(?: && PathPrefix\(`([^`]+)`\))?")


@dataclass(frozen=True)
class Router:
    """One rule: requests to a host and path go to a container."""

    host: str
    path: str
    tls: bool
    middlewares: tuple[str, ...]
    upstream: str


def routers(containers: Iterable[dict[str, Any]]) -> list[Router]:
    """Those of the containers, each as `docker inspect` shows it."""
    found = []
    for container in containers:
        labels = container["Config"]["Labels"]
        networks = container["NetworkSettings"]["Networks"]
        address = (networks.get(labels.get("traefik.docker.network")) or {}).get("IPAddress")
        for label, text in labels.items():
            name, rule = _ROUTER.fullmatch(label), _RULE.fullmatch(text)
            if not (name and rule and address):
                continue
            prefix = f"traefik.http.routers.{name[1]}."
            port = labels[f"traefik.http.services.{name[1]}.loadbalancer.server.port"]
            middlewares = tuple(filter(None, labels.get(prefix + "middlewares", "").split(",")))
            tls = labels[prefix + "entrypoints"] == "websecure"
            found.append(Router(rule[1], rule[2] or "/", tls, middlewares, f"http://{address}:{port}"))
    return found


def render(found: Iterable[Router], directory: Path) -> str:
    """nginx's configuration; certificate and middlewares are files in the directory."""
    sites: dict[tuple[str, bool], list[Router]] = {}
    for router in found:
        sites.setdefault((router.host, router.tls), []).append(router)
    return "".join(_server(host, tls, rules, directory) for (host, tls), rules in sorted(sites.items()))


def _server(host: str, tls: bool, rules: list[Router], directory: Path) -> str:
    lines = ["listen 80;"]
    if tls:
        lines = ["listen 443 ssl;", "http2 on;", "ssl_protocols TLSv1.2 TLSv1.3;",
                 "ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;",
                 f"ssl_certificate {directory}/site.pem;", f"ssl_certificate_key {directory}/site.key;"]  # fmt: skip
    lines.append(f"server_name {host};")
    for rule in sorted(set(rules), key=lambda rule: rule.path):
        lines.append(f"location {rule.path} {{ {' '.join(_location(rule, directory))} }}")
    return "server {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def _location(rule: Router, directory: Path) -> Iterable[str]:
    if REDIRECT in rule.middlewares:
        yield "return 301 https://$host$request_uri;"
        return
    for middleware in rule.middlewares:
        yield f"include {directory}/middlewares/{middleware.removesuffix('@file')};"
    yield "proxy_set_header Host $host;"
    yield "proxy_set_header X-Forwarded-For $remote_addr;"
    yield "proxy_set_header X-Forwarded-Proto $scheme;"
    yield f"proxy_pass {rule.upstream};"
