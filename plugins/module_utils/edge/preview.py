# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Closed previews: who got past the password once has a pass from then on."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from .site import Site
from .text import block, lines, quote, variable

_COOKIE = "sluice_preview"


def server_lines(site: Site) -> list[str]:
    """A closed preview, where the site is one.

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
