# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The environment of a Compose service: one text in dotenv form, which two parsers read on its way.

Dokploy parses it with npm's dotenv, fills in its own references `${{project.NAME}}`, and writes a .env that
Compose parses again. Since v0.30 it quotes for Compose; before, a `$` or a quote did not arrive
(U(https://github.com/Dokploy/dokploy/issues/4694)).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import UserError

# npm dotenv 16's grammar of a line, so that a text is read here as the server reads it; but that a line begins
# with spaces, not with the blank lines before it, which would be read once for each.
_LINE = re.compile(
    r"^[^\S\n]*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)"
    r"(\s*'(?:\\'|[^'])*'|\s*\"(?:\\\"|[^\"])*\"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?"
    r"\s*(?:#.*)?$",
    re.MULTILINE | re.ASCII,
)
_QUOTED = re.compile(r"^(['\"`])(.*)\1$", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=~^*?!&;()<>|\[\]-]*")
# Dokploy leaves these to Compose, which would put another variable's value there.
_COMPOSE_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::?[-+?][^{}]*)?\}")

FIRST_QUOTING_VERSION = (0, 30)


def parse_environment(text: str | None) -> dict[str, str]:
    """The variables of a text, as Dokploy reads it."""
    values: dict[str, str] = {}
    for match in _LINE.finditer(re.sub(r"\r\n?", "\n", text or "")):
        raw = (match.group(2) or "").strip()
        value = _QUOTED.sub(r"\2", raw)
        if raw.startswith('"'):
            value = value.replace("\\n", "\n").replace("\\r", "\r")
        values[match.group(1)] = value
    return values


def render_environment(values: Mapping[str, str]) -> str:
    """A text from which Dokploy reads exactly these values.

    Raises:
        UserError: A name is not a variable's name, or a value cannot be written in this form.
    """
    lines = [_line(name, value) for name, value in values.items()]
    text = "\n".join(lines)
    # Read back as a whole: a closing backslash or quote can swallow the line after it.
    read = parse_environment(text)
    if read != dict(values):
        names = sorted(name for name in values if read.get(name) != values[name])
        raise UserError(
            f"the value of {names[0]} cannot be written so that Dokploy reads it back unchanged; "
            "avoid a backslash at its end, or use letters and digits"
        )
    return text


def _line(name: str, value: str) -> str:
    if not _NAME.fullmatch(name):
        raise UserError(f"environment variable {name!r} is not a valid name; use letters, digits and underscores")
    if _COMPOSE_REFERENCE.search(value):
        raise UserError(
            f"the value of {name} holds a reference such as ${{NAME}}, which Compose would replace; "
            "change the value, or use Dokploy's own form ${{NAME}} where a reference is meant"
        )
    if "\r" in value or "\0" in value:
        raise UserError(f"the value of {name} holds a carriage return or null byte; remove it, Compose drops it")
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    for quote in "'`":
        if quote not in value:
            return f"{name}={quote}{value}{quote}"
    if '"' not in value and "\\n" not in value and "\\r" not in value:
        return f'{name}="{value}"'
    raise UserError(
        f"the value of {name} holds all three kinds of quotes, which Dokploy's environment cannot express; "
        "change the value"
    )


def needs_quoting_server(values: Mapping[str, str]) -> list[str]:
    """Names whose values arrive unchanged only through a server that quotes for Compose."""
    return sorted(name for name, value in values.items() if not _PLAIN.fullmatch(value))


def check_version(version: str, names: list[str]) -> None:
    """Refuse to hand values to a server that would damage them.

    Raises:
        UserError: The version is known and too old.
    """
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if names and numbers and numbers < FIRST_QUOTING_VERSION:
        raise UserError(
            f"Dokploy {version} damages values that hold quotes, spaces, #, $ or backslashes, "
            f"such as {names[0]}'s; update it to v0.30 or later, or use values of letters and digits"
        )


def merge(current: Mapping[str, str], wanted: Mapping[str, str], *, purge: bool) -> dict[str, str]:
    """The values to end up with: wanted ones over what is there, or wanted ones alone."""
    return dict(wanted) if purge else {**current, **wanted}


def describe_change(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Both sides of a diff, values hidden: any of them may be a secret."""
    return (
        dict.fromkeys(sorted(before), "(hidden)"),
        {name: "(hidden)" if before.get(name) == after[name] else "(hidden, changed)" for name in sorted(after)},
    )
