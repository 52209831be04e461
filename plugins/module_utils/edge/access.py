# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may come to a part of a site: networks, users with a password, whom a service of the stack lets in."""

from __future__ import annotations

from collections.abc import Iterable

from .model import Edge
from .proxy import proxy_headers
from .site import Access, Site
from .text import block, quote, variable
from .upstreams import upstream_name

_PLACE = "/.well-known/sluice/forward"


def rule_of(site: Site, host: str, path: str) -> Access | None:
    """The rule with the longest path that begins this one."""
    fitting = [rule for rule in site.access if rule.host == host and path.startswith(rule.path)]
    return max(fitting, key=lambda rule: len(rule.path), default=None)


def password_files(site: Site) -> dict[str, tuple[str, ...]]:
    """File below htpasswd/ → its lines."""
    own = {site.name: site.basic_auth} if site.basic_auth else {}
    return {**own, **{_file(site, rule): rule.users for rule in site.access if rule.users}}


def _file(site: Site, rule: Access) -> str:
    return f"{site.name}.{site.access.index(rule)}"


def allowed(networks: Iterable[str]) -> list[str]:
    """These networks alone; everybody, where none is named."""
    rows = [f"allow {network};" for network in networks]
    return [*rows, "deny all;"] if rows else []


def location_lines(site: Site, rule: Access | None, edge: Edge) -> list[str]:
    """What a location below the rule's path says of it."""
    if not rule:
        return []
    rows = allowed(rule.allow)
    if rule.users:
        # The app must not take the password for one of its own.
        rows += ["set $preview 1;", f"auth_basic {quote(f'Part of {site.name}')};"]
        rows.append(f"auth_basic_user_file htpasswd/{_file(site, rule)};")
    if rule.forward:
        number = site.access.index(rule)
        taken = {header: f"$forward_{variable(header).lower()}" for header in rule.forward.headers}
        rows.append(f"auth_request {_PLACE}/{number};")
        rows += [f"auth_request_set {name} $upstream_http_{variable(h).lower()};" for h, name in taken.items()]
        rows.append("auth_request_set $forward_cookie $upstream_http_set_cookie;")
        rows += proxy_headers(edge, {**_cleared(site), **taken})
        if rule.forward.sign_in:
            rows.append(f"error_page 401 = @sign_in_{number};")
    return rows


def server_lines(site: Site, host: str, edge: Edge) -> list[str]:
    """What the rules with forward authentication need beside their locations."""
    rows: list[str] = []
    for number, rule in enumerate(site.access):
        if not rule.forward or rule.host != host:
            continue
        asked = {
            "Content-Length": '""',
            "X-Original-URL": "$scheme://$host$request_uri",
            "X-Original-Method": "$request_method",
            "X-Forwarded-Uri": "$request_uri",
            "X-Forwarded-Method": "$request_method",
        }
        rows += block(
            f"location = {_PLACE}/{number}",
            [
                "internal;",
                *proxy_headers(edge, {**_cleared(site), **asked}),
                "proxy_pass_request_body off;",
                "proxy_read_timeout 10s;",
                f"proxy_pass http://{upstream_name(site, rule.forward.service)}{rule.forward.path};",
            ],
        )
        if rule.forward.sign_in:
            # A script of a page has no use for another page.
            place = f'return 302 "{rule.forward.sign_in}https://$host$request_uri";'
            rows += block(f"location @sign_in_{number}", ["if ($wants_page = 0) { return 401; }", place])
    if not _cleared(site):
        return rows
    # Known also to a host of the site on which no location asks anybody.
    cookie = ['set $forward_cookie "";', "add_header Set-Cookie $forward_cookie always;"]
    return [*proxy_headers(edge, _cleared(site)), *cookie, *rows]


def _cleared(site: Site) -> dict[str, str]:
    """What only the service that lets people in may say of them."""
    return {header: '""' for rule in site.access if rule.forward for header in rule.forward.headers}
