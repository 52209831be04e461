# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The edge's whole configuration as text, from state alone."""

from __future__ import annotations

from collections.abc import Mapping

from . import csp
from .access import password_files
from .model import Edge, State
from .nginx_features import Features, check_features
from .preview import preview_maps
from .proxy import proxy_defaults
from .render_ports import load_lines, port_lines
from .render_site import HTTP_PORT, HTTPS_PORT, page_directory, render_site, zones
from .text import block, lines
from .upstreams import render_upstreams

# https://wiki.mozilla.org/Security/Server_Side_TLS 5.7, without the DHE suites: they need parameters.
_INTERMEDIATE_CIPHERS = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)

_LOG_FIELDS = {
    "time": "$time_iso8601",
    "client": "$remote_addr",
    "host": "$host",
    "method": "$request_method",
    # Not $request_uri: query strings carry tokens.
    "path": "$uri",
    "protocol": "$server_protocol",
    "status": "$status",
    "bytes": "$body_bytes_sent",
    "seconds": "$request_time",
    "upstream": "$upstream_addr",
    "upstream_status": "$upstream_status",
    "upstream_seconds": "$upstream_response_time",
    "referer": "$referer_without_query",
    "agent": "$http_user_agent",
    "tls": "$ssl_protocol",
}

Addresses = Mapping[str, tuple[str, ...]]
"""DNS alias on the edge network → addresses of the running containers that answer to it."""


def render(state: State, addresses: Addresses, features: Features) -> dict[str, str]:
    """File name → content, below one directory; key pairs are put beside them as tls/<stack>.{pem,key}."""
    check_features(state, features)
    serving = [(site, state.serving_of(name)) for name, site in state.sites.items()]
    files = {
        "nginx.conf": _main(state, addresses, features),
        # Apart, because it holds the cookies that open closed previews.
        "preview.conf": lines(preview_maps(state.sites.values(), state.secret)),
    }
    # Whatever a switch changes lies in these two, for all sites.
    files["upstreams.conf"] = lines(row for site, who in serving for row in render_upstreams(site, who, addresses))
    files["policies.conf"] = lines(row for site, who in serving for row in csp.policy(site, who))
    for site, who in serving:
        files[f"sites/{site.name}.conf"] = render_site(site, who, state.edge, features)
        files[f"{page_directory(site)}/index.html"] = site.maintenance_page
        files |= {f"htpasswd/{file}": lines(users) for file, users in password_files(site).items()}
    return files


def _main(state: State, addresses: Addresses, features: Features) -> str:
    return lines(
        [
            "# Written by sluice.deploy; edits are lost.",
            *load_lines(state, features),
            "worker_processes auto;",
            "worker_rlimit_nofile 16384;",
            # Old workers end their streams by then, or every reload would leave some behind.
            f"worker_shutdown_timeout {state.edge.shutdown_seconds}s;",
            "error_log stderr notice;",
            # Not /run: the runc of Debian 12 (1.1.5) gives a tmpfs there the mode of the image's own, root's directory.
            "pid /tmp/nginx.pid;",
            "",
            *block("events", ["worker_connections 8192;"]),
            "",
            *block("http", _http(state, features)),
            *port_lines(state, addresses),
        ]
    )


def _http(state: State, features: Features) -> list[str]:
    sites = state.sites
    return [
        "include /etc/nginx/mime.types;",
        "default_type application/octet-stream;",
        "server_tokens off;",
        # nginx's own redirects would name the port inside the container.
        "absolute_redirect off;",
        "sendfile on;",
        "tcp_nopush on;",
        *_timeouts(state.edge, features),
        *(f"{kind}_temp_path /var/cache/edge/{kind};" for kind in ("client_body", "proxy")),
        *(f"{kind}_temp_path /tmp/{kind};" for kind in ("fastcgi", "uwsgi", "scgi")),
        "server_names_hash_bucket_size 256;",
        "map_hash_bucket_size 512;",
        # Names of headers may be long, and variables are named after them.
        "proxy_headers_hash_bucket_size 256;",
        "variables_hash_bucket_size 256;",
        "",
        *_log(),
        "",
        *_real_address(state.edge),
        *_maps(),
        "include preview.conf;",
        *csp.maps(sites.values()),
        *csp.policy_map(sites.values()),
        "",
        *zones(sites.values()),
        "",
        *_gzip(),
        "",
        *proxy_defaults(state.edge),
        "",
        *_tls(state.edge, features),
        "",
        *_default_servers(features),
        "include upstreams.conf;",
        *(f"include sites/{name}.conf;" for name in sites),
    ]


def _timeouts(edge: Edge, features: Features) -> list[str]:
    return [
        "keepalive_timeout 75s;",
        # A client that is just sending its next request is not cut off by a reload.
        *(["keepalive_min_timeout 3s;"] if features.keepalive_min_timeout else []),
        "client_header_timeout 15s;",
        "client_body_timeout 60s;",
        "send_timeout 60s;",
        "reset_timedout_connection on;",
        f"large_client_header_buffers 4 {edge.request_header_bytes};",
    ]


def _log() -> list[str]:
    entry = ",".join(f'"{name}":"{value}"' for name, value in _LOG_FIELDS.items())
    return [
        f"log_format edge escape=json '{{{entry}}}';",
        "access_log /dev/stdout edge;",
        # Messages of level error quote the request line with its query string; the access log has
        # the status, the upstream and its timing instead.
        "error_log stderr crit;",
        "limit_req_log_level info;",
    ]


def _real_address(edge: Edge) -> list[str]:
    if not edge.trusted_proxies:
        return []
    return [
        *(f"set_real_ip_from {network};" for network in edge.trusted_proxies),
        "real_ip_header X-Forwarded-For;",
        "real_ip_recursive on;",
        "",
    ]


def _maps() -> list[str]:
    return [
        # An empty Connection header keeps the connection to the app open.
        # And no other protocol than WebSocket is handed on: h2c would smuggle requests past the edge.
        *block("map $http_upgrade $connection_upgrade", ["default '';", "websocket upgrade;"]),
        *block("map $http_upgrade $app_upgrade", ["default '';", "websocket websocket;"]),
        *block("map $http_referer $referer_without_query", [r"~^(?<referer_base>[^?#]*) $referer_base;"]),
        *block("map $request_method:$http_upgrade:$http_accept $is_stream", _streams()),
        # An empty key is not counted: streams have a limit of their own.
        *block("map $http_accept $wants_page", ["default 0;", "~*text/html 1;"]),
        *block("map $is_stream $limit_key", ["default $binary_remote_addr;", "1 '';"]),
        *block("map $is_stream $stream_key", ["default '';", "1 $binary_remote_addr;"]),
    ]


def _streams() -> list[str]:
    return ["default 0;", "~*^GET:websocket: 1;", "~*^[A-Z]+:[^:]*:text/event-stream 1;"]


def _gzip() -> list[str]:
    text = "text/plain text/css text/javascript image/svg+xml"
    application = ("javascript", "json", "manifest+json", "graphql-response+json", "wasm")
    return [
        "gzip on;",
        "gzip_vary on;",
        "gzip_proxied any;",
        "gzip_comp_level 5;",
        "gzip_min_length 1024;",
        f"gzip_types {text} {' '.join(f'application/{t}' for t in application)};",
    ]


def _tls(edge: Edge, features: Features) -> list[str]:
    # X448 and secp521r1, which OpenSSL would offer, are not in Mozilla's profiles.
    curves = "X25519:prime256v1:secp384r1"
    intermediate = edge.tls_profile == "intermediate"
    return [
        f"ssl_protocols {'TLSv1.2 ' if intermediate else ''}TLSv1.3;",
        *([f"ssl_ciphers {_INTERMEDIATE_CIPHERS};"] if intermediate else []),
        "ssl_prefer_server_ciphers off;",
        f"ssl_ecdh_curve {'?X25519MLKEM768:' if features.hybrid_key_exchange else ''}{curves};",
        "ssl_session_cache shared:tls:10m;",
        "ssl_session_timeout 1d;",
        "ssl_session_tickets off;",
    ]


def _default_servers(features: Features) -> list[str]:
    """Names that no stack claims get nothing."""
    http2 = "" if features.http2_directive else " http2"
    return [
        *block(
            "server",
            [f"listen {HTTP_PORT} default_server;", "server_name _;", "access_log off;", "return 444;"],
        ),
        *block(
            "server",
            [
                f"listen {HTTPS_PORT} ssl{http2} default_server;",
                "server_name _;",
                "ssl_reject_handshake on;",
                # Reached with the name of a known site in the handshake and a foreign one in Host.
                "access_log off;",
                # What is asked for everywhere is known also where no site is left to set it.
                "set $preview 0;",
                "location / { return 421; }",
            ],
        ),
        "",
    ]
