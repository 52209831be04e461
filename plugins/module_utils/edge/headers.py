# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The security headers: the one place that knows them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping

from ..markup import inline_scripts

SECURITY_HEADERS: dict[str, str] = {
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Sign-in windows of identity providers must be able to report back.
    "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
    "Cross-Origin-Resource-Policy": "same-origin",
}

# nginx reads no parameter of 4 kB.
LONGEST_HEADER = 3500

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob: https:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
        "upgrade-insecure-requests",
    )
)


def security_headers(changes: Mapping[str, str]) -> dict[str, str]:
    """The headers of a site, but for its policy; an empty value leaves its header to the app."""
    known = {name.lower(): name for name in SECURITY_HEADERS}
    headers = dict(SECURITY_HEADERS)
    for name, value in changes.items():
        headers[known.get(name.lower(), name)] = value
    return {name: value for name, value in headers.items() if value}


def allow_scripts(csp: str, hashes: Iterable[str]) -> str:
    """The policy with inline scripts of these hashes allowed.

    It stays as it is where it allows inline scripts as such, which a hash would undo, and where it would get too
    long for nginx.
    """
    wanted = " ".join(f"'{h}'" for h in hashes)
    directives = [d.strip() for d in csp.split(";") if d.strip()]
    by_name: dict[str, int] = {}
    for i, directive in enumerate(directives):
        # Of two directives of one name a browser takes the first.
        by_name.setdefault(directive.split()[0].lower(), i)
    ruling = [by_name[n] for n in ("script-src-elem", "script-src") if n in by_name]
    fallback = directives[by_name["default-src"]].split()[1:] if "default-src" in by_name else ["'self'"]
    if not ruling:
        # Without script-src the scripts fall under default-src, which is not to be widened.
        directives.append(" ".join(["script-src", *fallback]))
        ruling = [-1]
    if not wanted or "'unsafe-inline'" in directives[ruling[0]].lower():
        return csp
    sources = [s for s in directives[ruling[0]].split() if s.lower() != "'none'"]
    directives[ruling[0]] = " ".join([*sources, wanted])
    widened = "; ".join(directives)
    return widened if len(widened) <= LONGEST_HEADER else csp


def inline_script_hashes(html: str) -> tuple[str, ...]:
    """Hashes, as a Content-Security-Policy writes them, of the scripts that a page carries in itself."""
    # A browser reads every end of a line as a line feed.
    scripts = inline_scripts(html.replace("\r\n", "\n").replace("\r", "\n"))
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    return tuple(dict.fromkeys(f"sha256-{base64.b64encode(d).decode()}" for d in digests))
