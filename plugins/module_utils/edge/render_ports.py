# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""TCP and UDP ports that lead to a service."""

from __future__ import annotations

from collections.abc import Mapping

from .access import allowed
from .model import State
from .nginx_features import Features
from .site import PortRoute, Site
from .text import block

# What nginx listens on for itself, inside its container.
_TAKEN = (8080, 8443, 8503, 8504)
# Nothing listens there: a connection ends at once.
_NOWHERE = "127.0.0.1:9"


def inner_port(port: int) -> int:
    """Where nginx listens inside its container, for a port of the host."""
    return port + 10_000 if port in _TAKEN else port


def load_lines(state: State, features: Features) -> list[str]:
    """What goes before all else, where the module is a file of its own."""
    wanted = any(site.ports for site in state.sites.values())
    return [f"load_module {features.stream};"] if wanted and features.stream.startswith("/") else []


def port_lines(state: State, addresses: Mapping[str, tuple[str, ...]]) -> list[str]:
    rows: list[str] = []
    for name, site in state.sites.items():
        targets = state.serving_of(name).upstreams
        for route in site.ports:
            aliases = [target.rsplit(":", 1)[0] for target in targets.get(route.service, ())]
            found = [f"{address}:{route.target}" for alias in aliases for address in addresses.get(alias, ())]
            rows += block(f"upstream {_name(site, route)}", [f"server {t};" for t in found or [_NOWHERE]])
            rows += block("server", _server(site, route))
    if not rows:
        return []
    entry = '{"time":"$time_iso8601","client":"$remote_addr","port":"$server_port","protocol":"$protocol",'
    entry += '"status":"$status","sent":"$bytes_sent","received":"$bytes_received","seconds":"$session_time"}'
    log = [f"log_format ports escape=json '{entry}';", "access_log /dev/stdout ports;"]
    return ["", *block("stream", [*log, *rows])]


def _name(site: Site, route: PortRoute) -> str:
    return f"{site.name}.{route.protocol}.{route.port}"


def _server(site: Site, route: PortRoute) -> list[str]:
    kind = {"tcp": "", "udp": " udp"}[route.protocol]
    return [
        f"listen {inner_port(route.port)}{kind}{' ssl' if route.tls else ''};",
        *([f"ssl_certificate tls/{site.name}.pem;", f"ssl_certificate_key tls/{site.name}.key;"] if route.tls else []),
        *(["ssl_protocols TLSv1.2 TLSv1.3;"] if route.tls else []),
        *allowed(route.allow),
        "proxy_connect_timeout 5s;",
        "proxy_timeout 1h;",
        f"proxy_pass {_name(site, route)};",
    ]
