# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the edge is asked to be: plain data, kept as JSON beside the configuration rendered from it."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

TlsProfile = Literal["intermediate", "modern"]
CertificateKind = Literal["acme", "own", "self_signed"]
CspMode = Literal["enforce", "report", "app"]


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
    uid: int = 65532
    """The unprivileged user that nginx and certbot run as."""


@dataclass(frozen=True)
class Limit:
    """A rate limit by client address."""

    zone: str
    rate: str
    burst: int


@dataclass(frozen=True)
class SiteRoute:
    path: str
    service: str
    timeout: float
    body_bytes: int | None = None
    limit: Limit | None = None
    stream: bool = False


@dataclass(frozen=True)
class Certificate:
    kind: CertificateKind = "acme"
    email: str = ""
    directory: str = "https://acme-v02.api.letsencrypt.org/directory"
    key_type: Literal["ecdsa", "rsa"] = "ecdsa"
    profile: str = ""
    dns_plugin: str = ""
    """certbot's DNS plugin, such as `cloudflare`; empty for http-01."""
    dns_propagation: int = 60
    ca_bundle: str = ""
    """A file of the host with the CA that the directory's own certificate is checked against."""

    def issued_as(self, domains: tuple[str, ...]) -> dict[str, Any]:
        """What, when it changes, makes another certificate."""
        return {
            "domains": sorted(domains),
            "directory": self.directory,
            "key_type": self.key_type,
            "profile": self.profile,
        }


@dataclass(frozen=True)
class Site:
    """One stack on the edge."""

    name: str
    domains: tuple[str, ...]
    routes: tuple[SiteRoute, ...]
    certificate: Certificate = Certificate()
    headers: dict[str, str] = field(default_factory=dict)
    csp: str = ""
    csp_mode: CspMode = "report"
    """Whether browsers enforce the policy, only report what it would forbid, or never see it."""
    csp_hash_scripts: bool = False
    body_bytes: int = 100 * 1024 * 1024
    basic_auth: tuple[str, ...] = ()
    """Lines of an htpasswd file."""
    maintenance_page: str = ""
    retry_after: int = 30
    stream_limit: Limit = Limit("streams.all", "50r/s", 100)
    """Its zone has a dot, as no user's has one."""

    @property
    def names(self) -> tuple[str, ...]:
        """All that it answers to, and its certificate is for; its own first."""
        return self.domains

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(route.service for route in self.routes))


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

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def state_from_json(data: dict[str, Any]) -> State:
    return State(
        edge=Edge(**_tuples(data["edge"])),
        sites={name: _site(site) for name, site in data["sites"].items()},
        serving={name: _serving(serving) for name, serving in data["serving"].items()},
        secret=data.get("secret", ""),
    )


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def _site(data: dict[str, Any]) -> Site:
    values = _tuples(data)
    routes = tuple(
        SiteRoute(**{**route, "limit": Limit(**route["limit"]) if route["limit"] else None}) for route in data["routes"]
    )
    return Site(
        **{
            **values,
            "routes": routes,
            "certificate": Certificate(**data["certificate"]),
            "stream_limit": Limit(**data["stream_limit"]),
        }
    )


def _serving(data: dict[str, Any]) -> Serving:
    upstreams = {service: tuple(targets) for service, targets in data["upstreams"].items()}
    return Serving(**{**_tuples(data), "upstreams": upstreams})
