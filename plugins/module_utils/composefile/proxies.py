# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a proxy of the file was told: routes, and whether its own configuration only passes on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .findings import Findings
from .sources import text_of

_RULE = re.compile(r"traefik\.http\.routers\.([^.]+)\.rule")
_PORT = re.compile(r"traefik\.http\.services\.([^.]+)\.loadbalancer\.server\.port")
_CALL = re.compile(r"(Host|PathPrefix|Path)\(([^()]*)\)", re.IGNORECASE)
_OTHER_CALL = re.compile(
    r"(HostRegexp|HostSNI|HeadersRegexp|Headers?|Method|Query|ClientIP|PathRegexp)\(", re.IGNORECASE
)
_NEGATED = re.compile(r"!\s*[A-Z]")
_MIDDLEWARE = re.compile(
    r"traefik\.http\.middlewares\.[^.]+\.(stripprefix|replacepath|redirect|addprefix|headers|basicauth|forwardauth)"
)
_LOST = {
    "stripprefix": "the service is asked with the whole path",
    "replacepath": "the service is asked with the path as it is",
    "addprefix": "the service is asked with the path as it is",
    "basicauth": "nginx_certbot_basic_auth asks for a password, for the whole site",
    "forwardauth": "nobody is asked who they are",
}
# What serves files or speaks to an interpreter is part of the app.
_SERVES = re.compile(
    r"(?:^|[{;])\s*(root|alias|fastcgi_pass|uwsgi_pass|scgi_pass|try_files|index|file_server|php_fastcgi|grpc_pass|sub_filter"
    r"|rewrite|proxy_cache|auth_request|DocumentRoot|mirror)\b",
    re.MULTILINE | re.IGNORECASE,
)
_PASSES = re.compile(
    r"(?:^|[{;])\s*(proxy_pass|reverse_proxy|server\s+\S+:\d+|ProxyPass)\b", re.MULTILINE | re.IGNORECASE
)
_CHALLENGE = re.compile(r"location[^{]*acme-challenge[^{]*\{[^}]*\}")
_ERROR_PAGE = re.compile(r"location\s*=\s*/(50x|40x|404)\.html\s*\{[^}]*\}")
_CONFIG_PLACE = re.compile(
    r"/etc/(nginx|caddy|haproxy|envoy|apache2|httpd)(/|$)|/usr/local/etc/haproxy|Caddyfile|\.conf$"
)
_LARGEST = 200_000


@dataclass(frozen=True)
class Offered:
    """A route that a proxy's settings name."""

    service: str
    hosts: tuple[str, ...]
    path: str
    port: int | None
    why: str


def offered_routes(services: Mapping[str, Mapping[str, Any]], findings: Findings) -> list[Offered]:
    """Routes by the labels of traefik and the variables of nginx-proxy."""
    found: list[Offered] = []
    for name, service in services.items():
        labels = {str(k): str(v) for k, v in (service.get("labels") or {}).items()}
        if labels.get("traefik.enable", "true") != "false":
            found += _traefik(name, labels, findings)
        found += _nginx_proxy(name, service.get("environment") or {})
    return list(dict.fromkeys(found))


def _traefik(name: str, labels: Mapping[str, str], findings: Findings) -> Iterable[Offered]:
    ports = {match[1]: int(v) for k, v in labels.items() if (match := _PORT.fullmatch(k)) and v.isdigit()}
    for key, told in labels.items():
        match = _RULE.fullmatch(key)
        if not match:
            continue
        # A longer path has its own route, which comes first.
        rule = re.sub(r"&&\s*!\s*PathPrefix\([^)]*\)", "", told)
        if _OTHER_CALL.search(rule) or _NEGATED.search(rule):
            text = f"no route can be made of {rule!r}"
            findings.decide(f"services.{name}.labels.{key}", text, "stack_routes: […], all of them by hand")
            continue
        target = labels.get(f"traefik.http.routers.{match[1]}.service", match[1])
        port = ports.get(target) or (next(iter(ports.values())) if len(ports) == 1 else None)
        # Alternatives share the conditions that stand before them.
        calls = [(k.lower(), _quoted(v)) for k, v in _CALL.findall(rule)]
        hosts = tuple(dict.fromkeys(h.lower() for k, values in calls if k == "host" for h in values if h))
        paths = [p for k, values in calls if k != "host" for p in values if p.startswith("/")] or ["/"]
        for path in dict.fromkeys(paths):
            yield Offered(name, hosts, path, port, f"traefik's router {match[1]}")
    for key in labels:
        found = _MIDDLEWARE.match(key)
        if found and found[1] in ("redirect", "headers"):
            findings.note(
                f"services.{name}.labels.{key}", f"traefik's {found[1]} is not carried over, the edge has its own"
            )
        elif found:
            text = f"traefik's {found[1]} is not carried over: {_LOST[found[1]]}"
            findings.decide(f"services.{name}.labels.{key}", text, "stack_routes: […], by hand")


def _nginx_proxy(name: str, environment: Mapping[str, Any]) -> Iterable[Offered]:
    hosts = tuple(h.strip().lower() for h in str(environment.get("VIRTUAL_HOST") or "").split(",") if h.strip())
    # Blank in an example, which asks for it to be filled in.
    if "VIRTUAL_HOST" in environment and environment.get("VIRTUAL_PROTO", "http") in ("http", "https", None):
        port = str(environment.get("VIRTUAL_PORT") or "")
        path = str(environment.get("VIRTUAL_PATH") or "/")
        yield Offered(name, hosts, path, int(port) if port.isdigit() else None, "nginx-proxy's VIRTUAL_HOST")


def _quoted(arguments: str) -> list[str]:
    return [a for _, a in re.findall(r"([`'\"])(.*?)\1", arguments)]


def passes_on(service: Mapping[str, Any], configs: Mapping[str, Any]) -> bool | None:
    """Whether what is mounted into a proxy as its configuration does nothing but pass on; None where none is there."""
    told = _told(service, configs)
    if not told.strip():
        return None
    return bool(_PASSES.search(told)) and not _SERVES.search(told)


def upstreams(service: Mapping[str, Any], services: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The services that a proxy's configuration passes on to, with a port of each."""
    names = "|".join(re.escape(name) for name in services)
    told = _told(service, {})
    return [(name, int(port)) for name, port in re.findall(rf"(?<![\w.-])({names}):(\d{{2,5}})(?![\w.])", told)]


def _told(service: Mapping[str, Any], configs: Mapping[str, Any]) -> str:
    """The text of what is mounted as a proxy's configuration."""
    mounted = [m for m in service.get("volumes") or [] if _CONFIG_PLACE.search(m["target"])]
    texts = [text_of(path, _LARGEST) for mount in mounted for path in _files(mount)]
    for entry in service.get("configs") or []:
        config = configs.get(entry["source"]) or {}
        texts.append(str(config.get("content") or "") or text_of(Path(str(config.get("file") or "")), _LARGEST))
    return _ERROR_PAGE.sub("", _CHALLENGE.sub("", "\n".join(texts)))


def _files(mount: Mapping[str, Any]) -> list[Path]:
    if mount.get("type") != "bind":
        return []
    path = Path(str(mount["source"]))
    return sorted(p for p in path.rglob("*") if p.is_file())[:50] if path.is_dir() else [path]
