# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Host names as every way to publish takes them: certificates are made for them, so wildcards are none."""

from __future__ import annotations

import ipaddress
import re

from ..errors import UserError

_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ADDRESS = re.compile(r"[\d.]+")


def host_name(value: str, where: str) -> str:
    """The name in lower case, without the root's dot.

    Args:
        value: As a person wrote it.
        where: The setting, for the message.

    Raises:
        UserError: It is no host name.
    """
    name = value.lower().rstrip(".")
    if not _NAME.fullmatch(name) or _ADDRESS.fullmatch(name):
        form = "" if value.isascii() else "; an internationalised one in its ASCII form, which begins with xn--"
        raise UserError(
            f"{where}: {value!r} is not a domain name; write one such as crm.example.com, without https://{form}."
        )
    return name


def is_address(value: str) -> bool:
    """Whether this is an IP address."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
