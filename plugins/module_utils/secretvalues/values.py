# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secret values: refused when they are none, carried into files and URLs unchanged, kept out of texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ..errors import UserError, nearest
from .redaction import Redactor

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
        UserError: Some are missing, blank, placeholders, or cannot be carried: a line each; values are never shown.
    """
    wanted = list(names)
    mistakes = [mistake for name in wanted if (mistake := _mistake(name, values))]
    if mistakes:
        raise UserError("\n".join(mistakes))
    return {name: values[name] for name in wanted}


def is_placeholder(value: str) -> bool:
    """Whether a value only says that a secret belongs in its place."""
    return bool(_PLACEHOLDER.fullmatch(value.strip()))


def _mistake(name: str, values: Mapping[str, Any]) -> str:
    """What is wrong with a secret, in a sentence without its value; empty when nothing is."""
    where = f"stack_secrets.{name}"
    if name not in values:
        near = nearest(name, values)
        return f"{where} is missing{near}: add it with ansible-vault edit, or run playbooks/secrets.yml."
    value = values[name]
    if not isinstance(value, str):
        # YAML has already changed some numbers: 01234567, 0x1F and 1:30:00 arrive as others.
        return f"{where}: expected text, not {type(value).__name__}; quote it in the vault file."
    if not value.strip():
        return f"{where} is blank: give it a value, or take it out of the services' secrets."
    if is_placeholder(value):
        return f"{where} is a placeholder: generate a value, for example with openssl rand -hex 32."
    if value.count("\n") == 1 and value.endswith("\n"):
        return f"{where} is one line that ends with a line feed: write it as |- or in quotes without it."
    if "\0" in value:
        return f"{where} holds a NUL byte, which no environment can carry."
    return ""


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
    """The text with every secret value replaced: in all its spellings, each line of a longer one, whole base64 runs."""
    return Redactor(values, mask, _MASKED_LENGTH)(text)
