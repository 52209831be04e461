# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One stack's servers, locations and upstreams."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping

from . import csp
from .headers import security_headers
from .model import Edge, Limit, Serving, Site, SiteRoute
from .nginx_features import Features
from .text import block, directive, lines, quote, variable

# Inside the container; the host publishes them as 80 and 443. Unprivileged, as nginx is.
HTTP_PORT, HTTPS_PORT = 8080, 8443
# Where an upstream without a container points: a server of nginx itself that answers 503.
_MAINTENANCE = "127.0.0.1:8503"
_COOKIE = "sluice_preview"
_STREAM_SECONDS = 3600.0


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


def render_upstreams(site: Site, serving: Serving, addresses: Mapping[str, tuple[str, ...]]) -> str:
    """Where each service of the site is now.

    Addresses, not names: nginx then starts and reloads whatever DNS says, knows all of an upstream from
    its first request on, and never sends a request to whom an address has passed on. The watcher renders
    them anew when a container moves.
    """
    rows: list[str] = []
    for service in site.services:
        servers = []
        for target in serving.upstreams.get(service, ()):
            alias, port = target.rsplit(":", 1)
            servers += [f"server {address}:{port} max_fails=0;" for address in addresses.get(alias, ())]
        # Node closes an idle connection after 5 s; the edge has to be first.
        body = [
            *(servers or [f"server {_MAINTENANCE} max_fails=0;"]),
            "keepalive 64;",
            "keepalive_timeout 4s;",
        ]
        rows += block(f"upstream {upstream_name(site, service)}", body)
    return lines(rows)


def upstream_name(site: Site, service: str) -> str:
    return f"{site.name}.{service}"


def render_site(site: Site, serving: Serving, edge: Edge, features: Features) -> str:
    names = directive("server_name", *site.domains)
    return lines(
        [
            *csp.header_map(site, serving),
            *block("server", _http_server(names, edge)),
            "",
            *block("server", _https_server(site, names, features)),
            "",
            *block("server", _maintenance_server(site, names)),
        ]
    )


def _http_server(names: str, edge: Edge) -> list[str]:
    port = "" if edge.https_port == 443 else f":{edge.https_port}"
    return [
        f"listen {HTTP_PORT};",
        names,
        *block(
            "location ^~ /.well-known/acme-challenge/",
            ["root /var/www/acme;", "default_type text/plain;"],
        ),
        *block("location /", [f"return 301 https://$host{port}$request_uri;"]),
    ]


def _https_server(site: Site, names: str, features: Features) -> list[str]:
    listen = [f"listen {HTTPS_PORT} ssl;", "http2 on;"]
    headers = security_headers(site.headers)
    routes = sorted(site.routes, key=lambda route: route.path)
    return [
        *(listen if features.http2_directive else [f"listen {HTTPS_PORT} ssl http2;"]),
        names,
        f"ssl_certificate tls/{site.name}.pem;",
        f"ssl_certificate_key tls/{site.name}.key;",
        f"client_max_body_size {site.body_bytes};",
        # On every answer, nginx's own errors included. No location adds a header: it would lose these.
        *(f"add_header {name} {quote(value)} always;" for name, value in headers.items()),
        *(f"proxy_hide_header {name};" for name in headers),
        *csp.server_lines(site),
        *_basic_auth(site),
        *csp.location(site),
        *(line for route in routes for line in ("", *_location(site, route))),
        *([] if any(route.path == "/" for route in routes) else ["", *block("location /", ["return 404;"])]),
    ]


def _basic_auth(site: Site) -> list[str]:
    """A closed preview.

    A single-page app sends its own bearer token where the browser would put the password. So a cookie stands
    for the password once it was right.
    """
    if not site.basic_auth:
        return ["set $preview 0;"]
    return [
        "set $preview 1;",
        f"auth_basic $realm_{variable(site.name)};",
        f"auth_basic_user_file htpasswd/{site.name};",
        f"add_header Set-Cookie $cookie_for_{variable(site.name)} always;",
    ]


def preview_maps(sites: Iterable[Site], secret: str) -> list[str]:
    """What opens closed previews; without a secret (of the state) a password alone does."""
    rows: list[str] = []
    for site in (s for s in sites if s.basic_auth):
        # A realm named `off` would open the site.
        realm, opened, cookies = [f'default "Preview of {site.name}";'], [], ["default '';"]
        if secret:
            token = _preview_token(site, secret)
            opened = [f"{token} off;"]
            cookie = f"{_COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax"
            # Who claims to be a user has not shown it yet: only what reached an upstream got past the password.
            cookies.append(f"'~^[1-9][0-9][0-9].*:[^:]' {quote(cookie)};")
        rows += block(f"map $cookie_{_COOKIE} $realm_{variable(site.name)}", [*realm, *opened])
        rows += block(f"map $upstream_status:$remote_user $cookie_for_{variable(site.name)}", cookies)
    # The app must not take the preview's password for one of its own, nor learn what stands for it.
    authorization = ["default $http_authorization;", "'~*^1:Basic ' '';"]
    ours = f"{_COOKIE}=[^;]*"
    cookie_rows = [
        "default $http_cookie;",
        f'"~(^|; ?){ours}(;.*)?; ?{ours}" "";',
        f'"~^(?<cookies_before>(.*; ?)?){ours}(; ?)?(?<cookies_after>.*)$" "$cookies_before$cookies_after";',
    ]
    return [
        *rows,
        *block("map $preview:$http_authorization $app_authorization", authorization),
        *block("map $http_cookie $app_cookie", cookie_rows),
    ]


def _preview_token(site: Site, secret: str) -> str:
    """Known to nobody but this host, and another one as soon as a user or a password is another."""
    return hmac.new(secret.encode(), lines((site.name, *site.basic_auth)).encode(), "sha256").hexdigest()


def _location(site: Site, route: SiteRoute) -> list[str]:
    # A stream may be silent for long.
    timeout = max(route.timeout, _STREAM_SECONDS) if route.stream else route.timeout
    limits = [route.limit, site.stream_limit] if route.limit and not route.stream else [site.stream_limit]
    return block(
        f"location {quote(route.path)}",
        [
            *(_limit_req(site, limit) for limit in limits if limit),
            *([f"client_max_body_size {route.body_bytes};"] if route.body_bytes is not None else []),
            f"proxy_read_timeout {max(1, round(timeout * 1000))}ms;",
            f"proxy_pass http://{upstream_name(site, route.service)};",
        ],
    )


def _limit_req(site: Site, limit: Limit) -> str:
    burst = f"burst={limit.burst} nodelay" if limit.burst else "nodelay"
    return directive("limit_req", f"zone={_zone(site, limit)}", burst)


def _maintenance_server(site: Site, names: str) -> list[str]:
    """Stands in for every service that has no container."""
    return [
        f"listen {_MAINTENANCE};",
        names,
        "access_log off;",
        f"root maintenance/{site.name};",
        f"add_header Retry-After {site.retry_after} always;",
        "add_header Cache-Control no-store always;",
        "default_type text/html;",
        "error_page 503 /index.html;",
        "location / { return 503; }",
        "location = /index.html { internal; }",
    ]
