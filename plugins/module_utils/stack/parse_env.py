# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service's variables and secrets."""

from __future__ import annotations

import re
from typing import Literal, cast

from ..errors import UserError
from .fields import Fields
from .parts import Secret

VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
# Search engines take settings whose names hold dots.
_ENVIRONMENT = r"[A-Za-z_][A-Za-z0-9_.-]*"
# What Compose would fill in; $${ is the text ${ there and here.
_UNRESOLVED = re.compile(r"(?<!\$)\$\{[^}]*\}?")


def parse_env(fields: Fields, blank: bool) -> dict[str, str]:
    """The variables of a service.

    Args:
        blank: Whether a variable may be set to nothing.
    """
    env = parse_variables(fields, "env", _ENVIRONMENT)
    # Blank counts as set for most programs, which then fail late: say it now.
    for key, value in env.items():
        where = f"{fields.path('env')}.{key}"
        if value == "" and not blank:
            raise UserError(f"{where} is blank; leave it out, or set it.")
        if found := _UNRESOLVED.search(value):
            raise UserError(
                f"{where}: {found[0]} is not filled in here, and would reach the container as it is; write the value,"
                f" a template such as {{{{ name }}}} or a secret, and $${found[0][1:]} where the text itself is meant."
            )
    return {key: value.replace("$${", "${") for key, value in env.items()}


def parse_variables(fields: Fields, key: str, form: str = VARIABLE) -> dict[str, str]:
    """A mapping of names to texts."""
    variables: dict[str, str] = {}
    for name, value in fields.mapping(key).items():
        where = f"{fields.path(key)}.{name}"
        if not re.fullmatch(form, str(name)):
            raise UserError(f"{where}: a variable's name is letters, digits and underscores.")
        if value is None:
            continue
        if not isinstance(value, (str, int, float)):
            raise UserError(f"{where}: expected text, not {type(value).__name__}; quote it, or write JSON as text.")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if "\0" in text:
            raise UserError(f"{where}: holds a NUL byte, which no environment can carry.")
        variables[str(name)] = text
    return variables


def parse_secrets(fields: Fields) -> tuple[Secret, ...]:
    """The secrets that a service takes."""
    secrets = []
    for index, entry in enumerate(fields.items("secrets")):
        where = f"{fields.path('secrets')}[{index}]"
        item = Fields({"name": entry} if isinstance(entry, str) else entry, where, ("name", "as", "env", "uid", "path"))
        item.need("name", "which key of stack_secrets")
        unnamed = item.raw("env") is False
        secrets.append(
            Secret(
                name=item.text("name", "", VARIABLE, "a name of letters, digits and underscores"),
                kind=cast(Literal["env", "file", "text"], item.choice("as", "env", ("env", "file", "text"))),
                env="" if unnamed else item.text("env", "", _ENVIRONMENT, "a variable's name"),
                unnamed=unnamed,
                uid=item.integer("uid", None, 0, 2**31),
                path=item.text("path", "", r"/[^:]*", "an absolute path"),
            )
        )
    return tuple(secrets)
