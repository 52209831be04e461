# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One stack's servers and locations."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from . import access, csp, preview
from .headers import security_headers
from .model import Edge, Serving
from .nginx_features import Features
from .proxy import answer_buffers
from .site import Limit, Site, SiteRoute
from .text import block, directive, lines, quote
from .upstreams import MAINTENANCE, maintenance_maps, target

# Inside the container; the host publishes them as 80 and 443. Unprivileged, as nginx is.
HTTP_PORT, HTTPS_PORT = 8080, 8443


def zones(sites: Iterable[Site]) -> list[str]:
    """The counters of all rate limits: streams and other requests apart, each stack by itself."""
    rows: dict[str, str] = {}
    for site in sites:
        for limit in (route.limit for route in site.routes):
            if limit:
                zone = _zone(site, limit)
                rows[zone] = f"limit_req_zone $limit_key zone={zone}:1m rate={limit.rate};"
        zone = _zone(site, site.stream_limit)
        rows[zone] = f"limit_req_zone $stream_key zone={zone}:1m rate={site.stream_limit.rate};"
    return [*rows.values(), "limit_req_status 429;"]


def _zone(site: Site, limit: Limit) -> str:
    return f"{site.name}.{limit.zone}"


def render_site(site: Site, serving: Serving, edge: Edge, features: Features) -> str:
    names = directive("server_name", *site.names)
    own = site.domains[:1] if site.redirect_aliases else site.domains
    redirected = site.aliases if site.redirect_aliases else ()
    return lines(
        [
            *maintenance_maps(site),
            *_cache_zone(site),
            *block("server", _http_server(names, edge)),
            "",
            *(row for host, known in (("", own), *((host, (host,)) for host in site.hosts))
              for row in (*block("server", _https_server(site, host, known, serving, edge, features)), "")),
            *(block("server", _redirecting_server(site, redirected, edge, features)) if redirected else ()),
            *block("server", _maintenance_server(site, names)),
        ]
    )  # fmt: skip


def _http_server(names: str, edge: Edge) -> list[str]:
    return [
        f"listen {HTTP_PORT};",
        names,
        *block("location ^~ /.well-known/acme-challenge/", _challenge(edge)),
        *block("location /", [f"return 301 https://$host{_port(edge)}$request_uri;"]),
    ]


def _challenge(edge: Edge) -> list[str]:
    """A CA asks whichever edge the domain leads it to; the answer lies where the certificate is asked for."""
    if not edge.lead:
        return ["root /var/www/acme;", "default_type text/plain;"]
    address = f"[{edge.lead}]" if ":" in edge.lead else edge.lead
    # What only servers over HTTPS set is not there.
    headers = [f"proxy_set_header {name} {value};" for name, value in (("Host", "$host"), ("Connection", '""'))]
    return [*headers, f"proxy_pass http://{address}:{edge.http_port};"]


def _port(edge: Edge) -> str:
    return "" if edge.https_port == 443 else f":{edge.https_port}"


def _tls_server(site: Site, names: Iterable[str], features: Features) -> list[str]:
    """With the security headers: on every answer, nginx's own errors included."""
    listen = [f"listen {HTTPS_PORT} ssl;", "http2 on;"]
    headers = security_headers(site.headers)
    return [
        *(listen if features.http2_directive else [f"listen {HTTPS_PORT} ssl http2;"]),
        directive("server_name", *names),
        f"ssl_certificate tls/{site.name}.pem;",
        f"ssl_certificate_key tls/{site.name}.key;",
        # No location adds a header: it would lose these.
        *(f"add_header {name} {quote(value)} always;" for name, value in headers.items()),
        *(f"proxy_hide_header {name};" for name in headers),
    ]


def _redirecting_server(site: Site, names: Iterable[str], edge: Edge, features: Features) -> list[str]:
    # 308 keeps the method: an API's client that was told another name loses no body.
    place = f"return 308 https://{site.domains[0]}{_port(edge)}$request_uri;"
    return [*_tls_server(site, names, features), *block("location /", [place])]


def _https_server(
    site: Site, host: str, names: Iterable[str], serving: Serving, edge: Edge, features: Features
) -> list[str]:
    return [
        *_tls_server(site, names, features),
        f"client_max_body_size {site.body_bytes};",
        *answer_buffers(site.header_bytes),
        *csp.server_lines(site),
        *preview.server_lines(site),
        *csp.location(site),
        *access.server_lines(site, host, edge),
        *_locations(site, host, serving, edge),
        "",
        *block("location @away", [f"proxy_pass http://{MAINTENANCE};"]),
        *site.extra.splitlines(),
    ]


def _locations(site: Site, host: str, serving: Serving, edge: Edge) -> list[str]:
    routes = [route for route in site.routes if route.host == host]
    cached = site.cache.paths if site.cache else ()
    paths = {*(r.path for r in routes), *(rule.path for rule in site.access if rule.host == host), *cached}
    rows = []
    for path in sorted(paths):
        route = max((r for r in routes if path.startswith(r.path)), key=lambda r: len(r.path), default=None)
        if route:
            body = [
                *access.location_lines(site, access.rule_of(site, host, path), edge),
                *_route(site, route),
                # What is kept would be handed out during maintenance, too.
                *(_cached(site, serving) if path.startswith(tuple(cached)) and not site.maintenance else []),
            ]
            rows += ["", *block(f"location {quote(path)}", body)]
    if all(route.path != "/" for route in routes):
        rows += ["", *block("location /", ["return 404;"])]
    return rows


def _route(site: Site, route: SiteRoute) -> list[str]:
    # A stream may be silent for long.
    timeout = max(route.timeout, site.stream_seconds) if route.stream else route.timeout
    limits = [route.limit, site.stream_limit] if route.limit and not route.stream else [site.stream_limit]
    return [
        *(_limit_req(site, limit) for limit in limits if limit),
        *([f"client_max_body_size {route.body_bytes};"] if route.body_bytes is not None else []),
        f"proxy_read_timeout {max(1, round(timeout * 1000))}ms;",
        f"proxy_pass http://{target(site, route.upstream)};",
        # A service that has just stopped, or breaks off, is told with the page as well; an app's own 502 is its own.
        "error_page 502 @away;",
    ]


def _limit_req(site: Site, limit: Limit) -> str:
    burst = f"burst={limit.burst} nodelay" if limit.burst else "nodelay"
    return directive("limit_req", f"zone={_zone(site, limit)}", burst)


def _cache_zone(site: Site) -> list[str]:
    if not site.cache:
        return []
    zone = f"levels=1:2 keys_zone={site.name}.files:1m max_size={site.cache.size} inactive=7d use_temp_path=off"
    return [f"proxy_cache_path /var/cache/edge/files.{site.name} {zone};"]


def _cached(site: Site, serving: Serving) -> list[str]:
    return [
        f"proxy_cache {site.name}.files;",
        # Another release's files are other files.
        f'proxy_cache_key "{serving.colour or ""} $host$uri$is_args$args";',
        f"proxy_cache_valid 200 {site.cache.seconds if site.cache else 0}s;",
        "proxy_cache_lock on;",
        "proxy_buffering on;",
    ]


def page_directory(site: Site) -> str:
    """Where the page lies that visitors see while nothing serves; most sites have the same."""
    return f"maintenance/{hashlib.sha256(site.maintenance_page.encode()).hexdigest()[:8]}"


def _maintenance_server(site: Site, names: str) -> list[str]:
    """Stands in for every service that has no container."""
    return [
        f"listen {MAINTENANCE};",
        names,
        "access_log off;",
        # Whatever is sent is answered with the page.
        "client_max_body_size 0;",
        f"root {page_directory(site)};",
        f"add_header Retry-After {site.retry_after} always;",
        "add_header Cache-Control no-store always;",
        "default_type text/html;",
        "error_page 503 /index.html;",
        "location / { return 503; }",
        "location = /index.html { internal; }",
    ]
