# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where requests go: each service's containers, or the maintenance page."""

from __future__ import annotations

from collections.abc import Mapping

from .model import Serving
from .site import Site
from .text import block, variable

# A server of nginx itself that answers 503: where an upstream without a container points.
MAINTENANCE = "127.0.0.1:8503"


def render_upstreams(site: Site, serving: Serving, addresses: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Where each service of the site is now.

    Addresses, not names: nginx then starts and reloads whatever DNS says, knows all of an upstream from
    its first request on, and never sends a request to whom an address has passed on. The watcher renders
    them anew when a container moves.
    """
    rows: list[str] = []
    for key in site.upstreams:
        servers = []
        for target in serving.upstreams.get(key, ()):
            alias, port = target.rsplit(":", 1)
            servers += [f"server {address}:{port} max_fails=0;" for address in addresses.get(alias, ())]
        # Node closes an idle connection after 5 s; the edge has to be first.
        body = [
            *(servers or [f"server {MAINTENANCE} max_fails=0;"]),
            "keepalive 64;",
            "keepalive_timeout 4s;",
        ]
        rows += block(f"upstream {upstream_name(site, key)}", body)
    if site.maintenance:
        rows += block(f"upstream {_closed(site)}", [f"server {MAINTENANCE} max_fails=0;"])
    return rows


def upstream_name(site: Site, key: str) -> str:
    """A dot where the key has a colon: behind one, nginx would look for a port."""
    return f"{site.name}.{key.replace(':', '.')}"


def _closed(site: Site) -> str:
    """As no service is called."""
    return f"{site.name}.503"


def maintenance_maps(site: Site) -> list[str]:
    """Whom maintenance that somebody asked for keeps out, and where requests go meanwhile."""
    if not site.maintenance:
        return []
    closed = f"$closed_{variable(site.name)}"
    rows = block(f"geo {closed}", ["default 1;", *(f"{network} 0;" for network in site.maintenance_allow)])
    for key in site.upstreams:
        rows += block(f"map {closed} {_target(site, key)}", [f"0 {upstream_name(site, key)};", f"1 {_closed(site)};"])
    return rows


def target(site: Site, key: str) -> str:
    """What requests for an upstream are handed to."""
    return _target(site, key) if site.maintenance else upstream_name(site, key)


def _target(site: Site, key: str) -> str:
    return f"$to_{variable(site.name)}_{variable(key.replace(':', '-'))}"
