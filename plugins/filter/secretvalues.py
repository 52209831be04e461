# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets in templates; each filter is documented in the file of its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.errors import UserError
from ..module_utils.secretvalues import values as secretvalues


def dsn(parts: Mapping[str, Any]) -> str:
    """A connection URL from its parts."""
    try:
        return secretvalues.dsn(parts)
    except UserError as error:
        raise AnsibleFilterError(str(error))


def dotenv_quote(value: Any) -> str:
    """A value as a C(.env) file holds it."""
    return secretvalues.dotenv_quote(str(value))


def redact(text: str, secrets: Iterable[Any] | Mapping[str, Any], mask: str = "***") -> str:
    """A text without the given secrets."""
    values = secrets.values() if isinstance(secrets, Mapping) else secrets
    return secretvalues.redact(text, [str(value) for value in values], mask)


class FilterModule:
    """What Ansible asks for the filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"dotenv_quote": dotenv_quote, "dsn": dsn, "redact": redact}
