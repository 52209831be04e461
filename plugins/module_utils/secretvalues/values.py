# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secret values: refused when they are none, carried into files and URLs unchanged, kept out of texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ..errors import UserError, nearest
from .redaction import mask_private_keys

_PLACEHOLDER = re.compile(
    r"(change[-_ ]?(me|it|this)|replace[-_ ].*|your[-_ ].*|to[-_ ]?do|fix[-_ ]?me|xxx+|example|placeholder"
    r"|secret|password|passw0rd|postgres|admin|test|default|123456\d{0,4}|<.*>|\{\{.*\}\}|\$\{.*\})"
    r"(now|please|!|\.)*",
    re.IGNORECASE,
)
_BARE = re.compile(r"[A-Za-z0-9_./:@%+,-]+")
# Shorter values stand in ordinary words: masking them would shred a log.
_MASKED_LENGTH = 4


def check_secrets(names: Iterable[str], values: Mapping[str, Any]) -> dict[str, str]:
    """The values of the named secrets, as text.

    Raises:
        UserError: One is missing, blank, a placeholder, or cannot be carried; the value is never shown.
    """
    checked: dict[str, str] = {}
    for name in names:
        where = f"stack_secrets.{name}"
        if name not in values:
            near = nearest(name, values)
            raise UserError(f"{where} is missing{near}: add it with ansible-vault edit, or run playbooks/secrets.yml.")
        value = values[name]
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise UserError(f"{where}: expected text, not {type(value).__name__}; quote it in the vault file.")
        text = str(value)
        if not text.strip():
            raise UserError(f"{where} is blank: give it a value, or take it out of the services' secrets.")
        if _PLACEHOLDER.fullmatch(text.strip()):
            raise UserError(f"{where} is a placeholder: generate a value, for example with openssl rand -hex 32.")
        if "\0" in text:
            raise UserError(f"{where} holds a NUL byte, which no environment can carry.")
        checked[name] = text
    return checked


def dotenv_quote(value: str) -> str:
    """A value for the right side of `KEY=` in a Compose `.env` file, which hands it on byte for byte."""
    if _BARE.fullmatch(value):
        return value
    if "'" not in value and not value.endswith("\\") and "\r" not in value:
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r") + '"'


def dsn(parts: Mapping[str, Any]) -> str:
    """A connection URL in which user, password and database are percent-encoded.

    Raises:
        UserError: An unknown or missing part.
    """
    known = ("scheme", "user", "password", "host", "port", "database", "params")
    for key in parts:
        if key not in known:
            raise UserError(f"dsn: unknown part {key!r}{nearest(key, known)}.")
    for key in ("scheme", "host"):
        if not parts.get(key):
            raise UserError(f"dsn: {key} is missing.")
    encoded = {k: quote(str(parts[k]), safe="") for k in ("user", "password", "database") if parts.get(k) is not None}
    login = encoded.get("user", "") + (f":{encoded['password']}" if "password" in encoded else "")
    host = str(parts["host"])
    authority = (f"{login}@" if login else "") + (f"[{host}]" if ":" in host else host)
    port = f":{parts['port']}" if parts.get("port") else ""
    params = "&".join(
        f"{quote(str(k), safe='')}={quote(str(v), safe='')}" for k, v in (parts.get("params") or {}).items()
    )
    path = f"/{encoded['database']}" if "database" in encoded else ""
    return f"{parts['scheme']}://{authority}{port}{path}" + (f"?{params}" if params else "")


def redact(text: str, values: Iterable[str], mask: str = "***") -> str:
    """The text with every secret value, as it is and percent-encoded, and every private key replaced."""
    text = mask_private_keys(text, mask)
    forms = {form for v in values if len(v) >= _MASKED_LENGTH for form in (v, quote(v, safe=""), v.strip())}
    # The longest first: one secret may be a part of another.
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, mask)
    return text
