# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one stack asks of the edge: plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

CertificateKind = Literal["acme", "own", "self_signed"]
Protocol = Literal["tcp", "udp"]
CspMode = Literal["enforce", "report", "app"]


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
    host: str = ""
    """A name of its own; empty for the site's."""
    port: int | None = None
    """Where the service answers it, if not at its usual port."""

    @property
    def upstream(self) -> str:
        """Its key among the upstreams that a release names."""
        return f"{self.service}:{self.port}" if self.port else self.service


@dataclass(frozen=True)
class ForwardAuth:
    """A service of the stack that says who may come: 2xx lets in, 401 sends to the sign-in, all else refuses."""

    service: str
    path: str
    sign_in: str = ""
    """Where a browser is sent, with the address that it wanted appended; empty for a bare 401."""
    headers: tuple[str, ...] = ()
    """Headers of its answer that the app gets, and that no visitor can send."""


@dataclass(frozen=True)
class Access:
    """Who may come to the paths under one; the rule with the longest fitting path counts alone."""

    path: str
    host: str = ""
    allow: tuple[str, ...] = ()
    """Networks; empty for all."""
    users: tuple[str, ...] = ()
    """Lines of an htpasswd file; empty for no password."""
    forward: ForwardAuth | None = None


@dataclass(frozen=True)
class Cache:
    """Answers under these paths that the edge keeps, as far as the app's own headers allow."""

    paths: tuple[str, ...]
    size: int
    seconds: int
    """How long those are kept whose headers do not say."""


@dataclass(frozen=True)
class PortRoute:
    """A TCP or UDP port of the host that leads to a service."""

    port: int
    service: str
    target: int
    protocol: Protocol = "tcp"
    tls: bool = False
    allow: tuple[str, ...] = ()


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
    """Its own name first, then its aliases."""
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
    redirect_aliases: bool = True
    """Whether aliases lead to the site's own name, or serve alike."""
    access: tuple[Access, ...] = ()
    maintenance: bool = False
    maintenance_allow: tuple[str, ...] = ()
    """Networks that see the site during maintenance."""
    header_bytes: int = 64 * 1024
    """How long the headers of an answer may be."""
    stream_seconds: float = 3600
    """How long a stream or a WebSocket on a stream route may be silent."""
    cache: Cache | None = None
    extra: str = ""
    """Further directives of the site's servers."""
    ports: tuple[PortRoute, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All that it answers to, and its certificate is for; its own first."""
        return tuple(dict.fromkeys((*self.domains, *self.hosts)))

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names of routes."""
        return tuple(dict.fromkeys(route.host for route in self.routes if route.host))

    @property
    def aliases(self) -> tuple[str, ...]:
        return self.domains[1:]

    @property
    def upstreams(self) -> tuple[str, ...]:
        """All that a release has to name a target for."""
        forwards = (rule.forward.service for rule in self.access if rule.forward)
        ports = (route.service for route in self.ports)
        return tuple(dict.fromkeys((*(route.upstream for route in self.routes), *forwards, *ports)))


def site_from_json(data: dict[str, Any]) -> Site:
    nested: dict[str, Any] = {
        "routes": tuple(SiteRoute(**{**r, "limit": _known(Limit, r["limit"])}) for r in data["routes"]),
        "certificate": Certificate(**data["certificate"]),
        "stream_limit": Limit(**data["stream_limit"]),
        "access": tuple(_access(rule) for rule in data.get("access", ())),
        "cache": _known(Cache, data.get("cache")),
        "ports": tuple(_known(PortRoute, route) for route in data.get("ports", ())),
    }
    return Site(**{**tuples(data), **nested})


def _access(data: dict[str, Any]) -> Access:
    return Access(**{**tuples(data), "forward": _known(ForwardAuth, data["forward"])})


def _known(kind: Any, data: dict[str, Any] | None) -> Any:
    return kind(**tuples(data)) if data else None


def tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON knows lists alone."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
