# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Content-Security-Policy of a site: when it is sent, and where browsers tell what it forbids.

The app's own policy wins. A browser's report is written down by nginx as page, directive and origin alone, all taken
out by expressions that know no query string; the rest of it is never stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

from .headers import allow_scripts
from .model import Serving
from .site import Limit, Site
from .text import block, quote

_PATH = "/.well-known/sluice/csp/"
# Takes the reports' bodies, which nginx reads for an upstream alone.
SINK = "127.0.0.1:8504"
# Within nginx's container.
LOGS = "/var/cache/edge"
_BODY_BYTES = 16 * 1024
# A page may break many times at once. What all visitors together may add is what bounds the file.
_VISITOR, _ALL = Limit("csp.visitor", "20r/m", 100), Limit("csp.all", "12r/m", 200)

# \x5c is a backslash: nginx would take one for its own.
_TEXT = r'[^?#"\x5c ]'
_ORIGIN = r'(https?|wss?)://[^/?#"\x5c ]{1,260}'
_KEYWORD = "(inline|(wasm-)?eval|data|blob)"
_PARTS = {
    "policy": ("$uri", f"^{_PATH.replace('.', '[.]')}(?<csp_the_policy>[0-9a-f]{{8}})$"),
    "page": ("$request_body", rf'"document-uri" ?: ?"https?://[^/?#"\x5c]{{1,260}}(?<csp_the_page>/{_TEXT}{{0,200}})'),
    "directive": ("$request_body", r'"(effective|violated)-directive" ?: ?"(?<csp_the_directive>[a-z-]{1,32})'),
    "blocked": ("$request_body", rf'"blocked-uri" ?: ?"(?<csp_the_blocked>{_ORIGIN}|{_KEYWORD}(?="))'),
}
"""Part of a line → where it is taken from, and how it is found there."""


def policy_id(site: Site) -> str:
    """Changes with the policy, and not with the hashes that each release brings."""
    return hashlib.sha256(site.csp.encode()).hexdigest()[:8]


def collects(site: Site) -> bool:
    """Whether browsers are asked to report to the edge; a policy that has its own place for that is left alone."""
    return _sends(site) and "report-" not in site.csp


def maps(sites: Iterable[Site]) -> list[str]:
    """What takes the reports apart, and their counters; nothing where no site collects any."""
    collecting = [site for site in sites if collects(site)]
    if not collecting:
        return []
    entry = ",".join(f'"{part}":"$csp_{part}"' for part in _PARTS)
    return [
        *(row for part, (source, form) in _PARTS.items()
          for row in block(f"map {source} $csp_{part}", ["default '';", f"'~{form}' $csp_the_{part};"])),
        *block('map "$csp_directive $csp_blocked $csp_page" $csp_complete', ["default 0;", "'~^[^ ]+ [^ ]+ /' 1;"]),
        f"log_format csp escape=json '{{\"time\":\"$time_iso8601\",{entry}}}';",
        *(f"limit_req_zone {key} zone={site.name}.{limit.zone}:1m rate={limit.rate};"
          for site in collecting
          for key, limit in (("$binary_remote_addr", _VISITOR), ("all", _ALL))),
        *block("server", [f"listen {SINK};", "access_log off;", "location / { return 204; }"]),
    ]  # fmt: skip


def policy_map(sites: Collection[Site]) -> list[str]:
    """The policy of whichever site is asked, empty where the app's answer has its own; nothing where no site has any.

    One map for all sites: nginx clears half a megabyte for each, whenever it reads its configuration.
    """
    if not any(map(_sends, sites)):
        return []
    return [
        *block("map $server_name/ $csp_site", ["default '';", "include policies.conf;"]),
        *block("map $upstream_http_content_security_policy $csp_unless_own", ["default '';", "'' $csp_site;"]),
    ]


def policy(site: Site, serving: Serving) -> list[str]:
    """The site's part of that map: its policy with what the colour that serves needs allowed."""
    if not _sends(site):
        return []
    allowed = allow_scripts(site.csp, serving.script_hashes if site.csp_hash_scripts else ())
    sent = quote(f"{allowed.rstrip('; ')}; report-uri {_PATH}{policy_id(site)}" if collects(site) else allowed)
    # What nginx calls a server by is the first of its names; with a slash it is none of the words that a map knows.
    return [f"{name}/ {sent};" for name in (site.domains[0], *site.hosts)]


def _sends(site: Site) -> bool:
    return bool(site.csp) and site.csp_mode != "app"


def server_lines(site: Site) -> list[str]:
    """The header, and the place for reports."""
    if not _sends(site):
        return []
    name = "Content-Security-Policy" + ("-Report-Only" if site.csp_mode == "report" else "")
    return [f"add_header {name} $csp_unless_own always;"]


def location(site: Site) -> list[str]:
    """Where browsers send their reports."""
    if not collects(site):
        return []
    return block(
        f"location ^~ {_PATH}",
        [
            *(f"limit_req zone={site.name}.{limit.zone} burst={limit.burst} nodelay;" for limit in (_VISITOR, _ALL)),
            f"client_max_body_size {_BODY_BYTES};",
            f"client_body_buffer_size {_BODY_BYTES};",
            "client_body_in_single_buffer on;",
            f"access_log {LOGS}/csp.{site.name}.log csp if=$csp_complete;",
            "limit_except POST { deny all; }",
            f"proxy_pass http://{SINK};",
        ],
    )
