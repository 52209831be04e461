# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which certificate a stack serves with, before any CA is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import UserError
from .attempts import now
from .certificates import check_own, check_pair, facts, self_signed
from .site import Site

Pair = tuple[bytes, bytes]


def choose(site: Site, own: Pair | None, live: Pair | None, present: Pair | None) -> Pair:
    """The best pair at hand; a placeholder where none covers the site's names.

    Args:
        site: Whose pair.
        own: The user's own, where the settings bring one.
        live: certbot's.
        present: The one that serves now.

    Raises:
        UserError: The user's own cannot serve this site.
    """
    if site.certificate.kind == "own":
        chain, key = own or (b"", b"")
        check_own(chain, key, site.names, now())
        return chain, key
    candidates = [live, present] if site.certificate.kind == "acme" else [present]
    for pair in candidates:
        if pair and _fits(pair, site):
            return pair
    return self_signed(site.names)


def _fits(pair: Pair, site: Site) -> bool:
    try:
        check_pair(*pair)
        found = facts(pair[0])
    except UserError:
        return False
    wanted = found.self_signed or site.certificate.kind == "acme"
    return wanted and all(found.covers(domain) for domain in site.names)


def live_pair(root: Path, stack: str) -> Pair | None:
    """What certbot holds."""
    folder = root / "acme" / "live" / stack
    try:
        return (folder / "fullchain.pem").read_bytes(), (folder / "privkey.pem").read_bytes()
    except OSError:
        return None


def present_pair(files: Mapping[str, bytes], stack: str) -> Pair | None:
    chain, key = files.get(f"tls/{stack}.pem"), files.get(f"tls/{stack}.key")
    return (chain, key) if chain and key else None
