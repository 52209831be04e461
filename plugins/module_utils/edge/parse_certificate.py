# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the settings that say where a certificate comes from to the model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from ..errors import Mistakes
from .parse_host import seconds
from .site import Certificate

# Names of plugins and profiles end up in an argv: no dash in front.
_WORD = re.compile(r"[a-z0-9][a-z0-9-]*")


def parse_certificate(settings: Mapping[str, Any]) -> Certificate:
    """
    Raises:
        UserError: All mistakes found, a line each.
    """
    known, mistakes = Certificate.__dataclass_fields__, Mistakes()
    certificate = Certificate(**{k: v for k, v in settings.items() if k in known and v is not None})
    if certificate.kind != "acme":
        return certificate
    if not re.fullmatch(r"[^@\s-][^@\s]*@[^@\s]+\.[^@\s]+", certificate.email):
        state = f": {certificate.email!r} is no address" if certificate.email else " is missing"
        mistakes.append(f"nginx_certbot_email{state}; the CA writes to it about the account.")
    if not _is_https(certificate.directory):
        mistakes.append(
            f"nginx_certbot_acme_directory: {certificate.directory!r} is no https URL of an ACME directory."
        )
    for name in ("profile", "dns_plugin"):
        value = cast(str, getattr(certificate, name))
        if value and not _WORD.fullmatch(value):
            mistakes.append(f"nginx_certbot_{name}: {value!r} is no name of lower-case letters and dashes.")
    bundle = certificate.ca_bundle
    if bundle and not re.fullmatch(r"/[^:\x00-\x1f]*", bundle):
        mistakes.append(f"nginx_certbot_acme_ca_bundle: {bundle!r} is no full path of a file, without a colon.")
    mistakes.attempt(lambda: seconds(settings, "dns_propagation", 60), 0)
    mistakes.tell()
    return certificate


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)
