# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the role's settings to what all stacks on a host share, or to one sentence that says what is wrong."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import Mistakes, UserError
from ..sizes import parse_size
from .model import Edge

# A week, in seconds.
LONGEST = 7 * 86400
# What ends up in a file of Compose, or in an argv.
_IMAGE = (r"[A-Za-z0-9][A-Za-z0-9._/:@-]*", "reference of an image, such as registry.example.com/nginx:1.30")
_NAME = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_FORMS = {
    "image": _IMAGE,
    "certbot_image": _IMAGE,
    "project": (r"[a-z0-9][a-z0-9_-]*", "name of lower-case letters, digits, dashes and underscores"),
    "network": (r"[A-Za-z0-9][A-Za-z0-9_.-]*", "name of a Docker network"),
}


def parse_edge(settings: Mapping[str, Any]) -> Edge:
    """The settings that all stacks on a host share.

    Raises:
        UserError: All mistakes found, a line each.
    """
    mistakes = Mistakes()
    for network in settings.get("trusted_proxies") or []:
        if not _plain(network, ipaddress.ip_network):
            mistakes.append(f"nginx_certbot_trusted_proxies: {network!r} is no address or network such as 10.0.0.0/8.")
    for address in settings.get("publish") or []:
        if not _plain(address, ipaddress.ip_address):
            mistakes.append(f"nginx_certbot_publish: {address!r} is no address of this host, or one with a zone.")
    lead = settings.get("lead") or ""
    if lead and not _plain(lead, ipaddress.ip_address) and not re.fullmatch(_NAME, lead):
        mistakes.append(f"nginx_certbot_lead: {lead!r} is neither an address nor a name of a node.")
    for name, (pattern, what) in _FORMS.items():
        value = settings.get(name)
        if value is not None and not re.fullmatch(pattern, str(value)):
            mistakes.append(f"nginx_certbot_{name}: {value!r} is no {what}.")
    for name in ("http_port", "https_port"):
        if not 1 <= settings.get(name, 80) <= 65535:
            mistakes.append(f"nginx_certbot_{name}: {settings[name]!r} is no port from 1 to 65535.")
    if settings.get("http_port", 80) == settings.get("https_port", 443):
        mistakes.append("nginx_certbot_https_port is the same as nginx_certbot_http_port; choose two ports.")
    values: dict[str, Any] = {
        "request_header_bytes": mistakes.attempt(
            lambda: within(settings, "request_header_size", "16KiB", 1024, 1024**2), 0
        ),
        "shutdown_seconds": mistakes.attempt(lambda: seconds(settings, "shutdown_timeout", 300), 0),
    }
    mistakes.tell()
    for name in Edge.__dataclass_fields__:
        value = settings.get(name)
        if value is not None:
            values[name] = tuple(value) if isinstance(value, list) else value
    return Edge(**values)


def _plain(text: str, read: Callable[[str], object]) -> bool:
    """An address or a network; a zone after % may hold anything, line breaks included."""
    try:
        read(text)
    except ValueError:
        return False
    return "%" not in text


def within(settings: Mapping[str, Any], name: str, default: str, least: int, most: int) -> int:
    """A size in bytes.

    Raises:
        UserError: It is none, or not from the least to the most.
    """
    size = parse_size(settings.get(name) or default, f"nginx_certbot_{name}")
    if not least <= size <= most:
        raise UserError(f"nginx_certbot_{name}: write a size from {least} to {most} bytes.")
    return size


def seconds(settings: Mapping[str, Any], name: str, default: int) -> int:
    """
    Raises:
        UserError: It is no time from a second to a week.
    """
    value = settings.get(name)
    if value is not None and not 1 <= value <= LONGEST:
        raise UserError(f"nginx_certbot_{name}: {value!r} is no number of seconds from 1 to {LONGEST}.")
    return default if value is None else int(value)
