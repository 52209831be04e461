# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the edge is asked to be: plain data, kept as JSON beside the configuration rendered from it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .site import Site, site_from_json, tuples

TlsProfile = Literal["intermediate", "modern"]


@dataclass(frozen=True)
class Edge:
    """What all stacks on one host share."""

    image: str
    certbot_image: str
    project: str = "sluice-edge"
    network: str = "sluice-edge"
    http_port: int = 80
    https_port: int = 443
    publish: tuple[str, ...] = ()
    """Addresses of the host to publish the ports on; empty for all."""
    tls_profile: TlsProfile = "intermediate"
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose X-Forwarded-For is believed."""
    shutdown_seconds: int = 300
    """How long WebSockets and other long answers outlive a reload."""
    request_header_bytes: int = 16 * 1024
    """How long one header of a request, or its first line, may be."""
    uid: int = 65532
    """The unprivileged user that nginx and certbot run as."""
    overlay: bool = False
    """Whether the network spans the hosts of a swarm."""
    lead: str = ""
    """Address of the host whose edge gets the certificates for this one; empty for one that asks the CA itself."""


@dataclass(frozen=True)
class Serving:
    """Which colour of a stack serves, and where its services are."""

    colour: str | None = None
    previous: str | None = None
    upstreams: dict[str, tuple[str, ...]] = field(default_factory=dict)
    script_hashes: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """All that the configuration is rendered from, apart from keys and addresses."""

    edge: Edge
    sites: dict[str, Site] = field(default_factory=dict)
    serving: dict[str, Serving] = field(default_factory=dict)
    secret: str = ""
    """Random, made once per host: what closed previews' cookies are derived from."""

    def with_secret(self) -> State:
        return self if self.secret else replace(self, secret=secrets.token_hex(32))

    def with_site(self, site: Site) -> State:
        return replace(self, sites={**self.sites, site.name: site})

    def without_site(self, name: str) -> State:
        return replace(
            self,
            sites={n: s for n, s in self.sites.items() if n != name},
            serving={n: s for n, s in self.serving.items() if n != name},
        )

    def with_serving(self, name: str, serving: Serving) -> State:
        return replace(self, serving={**self.serving, name: serving})

    def serving_of(self, name: str) -> Serving:
        return self.serving.get(name, Serving())

    def aliases(self) -> set[str]:
        """Where requests go, as DNS knows it."""
        served = (targets for serving in self.serving.values() for targets in serving.upstreams.values())
        return {target.rsplit(":", 1)[0] for targets in served for target in targets}

    def to_json(self) -> str:
        # Many times as fast as with asdict or an indent, of which a host with many sites takes note at every switch.
        return json.dumps(self, default=vars, sort_keys=True)


def state_from_json(data: dict[str, Any]) -> State:
    return State(
        edge=Edge(**tuples(data["edge"])),
        sites={name: site_from_json(site) for name, site in data["sites"].items()},
        serving={name: _serving(serving) for name, serving in data["serving"].items()},
        secret=data.get("secret", ""),
    )


def _serving(data: dict[str, Any]) -> Serving:
    upstreams = {service: tuple(targets) for service, targets in data["upstreams"].items()}
    return Serving(**{**tuples(data), "upstreams": upstreams})
