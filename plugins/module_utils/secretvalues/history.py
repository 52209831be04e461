# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets in an image's configuration and history, told by their names; values are never returned."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, cast

from .names import secret_name

# Values that are a switch, a number or a time, or that stand for a value while an image is built.
_TRIVIAL = re.compile(
    r"(?:true|false|yes|no|on|off|none|null|[0-9]{1,5}|[0-9]{1,5}(?:\.[0-9]{1,3})?(?:ms|s|m|h|d|w|y)|x+|\*+|<[^<>]*>"
    r"|(?:dummy|fake|build|placeholder|example|unused|ignored?|change[-_]?(?:me|this)|to[-_]?be[-_]?set|your)"
    r"(?:[-_]?(?:time|build|only|value|key|token|secret|password|base|here))*)?",
    re.IGNORECASE,
)

# All that follow take time in proportion to the text, whatever it is: a name is tried at its start only, and no two
# repeats can share what lies between them.
_NAME = r"(?<![A-Za-z0-9_])(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
# What a shell fills in at run time is no value.
_IN_SHELL = re.compile(_NAME + r"""=(?!["']?[$`%])(?P<value>"[^"]*"|'[^']*'|[^\s;&|]*)""")
# Engines note ENV, ARG and build arguments without quotes: a value goes on until the next name.
_DECLARED = re.compile(_NAME + r"=(?P<value>\S*(?:\s+(?![A-Za-z_][A-Za-z0-9_]*=)\S+)*)")
_IN_URL = re.compile(r"(?P<head>://[^\s:/@]*:)(?!\$)[^\s/@]+(?=@)")
_IN_HEADER = re.compile(
    r"(?P<head>\b(?:(?:proxy-)?authorization|x-api-key|private-token|cookie):\s*(?:(?:bearer|basic|token)\s+)?)"
    r"(?!\$|bearer\s|basic\s|token\s)[^\s\"']+",
    re.IGNORECASE,
)
_IN_OPTION = re.compile(
    r"(?P<head>\s--?(?:password|passwd|token|secret|api-key)(?:=|\s+))(?!\$)(?:\"[^\"]*\"|'[^']*'|[^\s\"']+)",
    re.IGNORECASE,
)
_UNNAMED = (
    (_IN_URL, "password in a URL"),
    (_IN_HEADER, "authorization header"),
    (_IN_OPTION, "password option"),
)
# The build arguments of a RUN stand before its shell, as |<how many> NAME=value …
_PARTS = re.compile(r"(?P<declared>(?:ENV|ARG) .*|(?:RUN )?\|[0-9]+ .*?(?=\s/bin/\S*sh -|$))?(?P<shell>.*)", re.DOTALL)
_HIDDEN = "***"


class NamedSecret(NamedTuple):
    """Where a secret lies; its value never leaves the configuration."""

    name: str
    place: str


def named_secrets(config: dict[str, Any]) -> list[NamedSecret]:
    """Secrets in ENV, ARG and elsewhere in the history, each name once a place."""
    found: dict[NamedSecret, None] = {}
    settings = config.get("config") or {}
    for variable in settings.get("Env") or []:
        name, _equals, value = str(variable).partition("=")
        if _gives_away(name, value):
            found[NamedSecret(name, "ENV")] = None
    for entry in config.get("history") or []:
        for secret in _in_line(str(entry.get("created_by") or "")):
            found[secret] = None
    return list(found)


def _parts(line: str) -> tuple[str, str]:
    """A history line as what it declares and what it runs."""
    # Every part of the pattern may be empty, so it matches every line.
    match = cast("re.Match[str]", _PARTS.fullmatch(line.removeprefix("/bin/sh -c #(nop)").strip()))
    return match["declared"] or "", match["shell"]


def _in_line(line: str) -> list[NamedSecret]:
    declared, shell = _parts(line)
    place = "ENV" if declared.startswith("ENV ") else "ARG"
    found = [
        NamedSecret(match["name"], where)
        for pattern, text, where in ((_DECLARED, declared, place), (_IN_SHELL, shell, "history"))
        for match in pattern.finditer(text)
        if _gives_away(match["name"], match["value"])
    ]
    rest = _IN_SHELL.sub("", shell)
    return found + [NamedSecret(name, "history") for pattern, name in _UNNAMED if pattern.search(rest)]


def _gives_away(name: str, value: str) -> bool:
    """Whether an assignment shows a secret: by its name, or a URL with a password as its value."""
    value = value.strip("\"'")
    if _IN_URL.search(value):
        return True
    return secret_name(name) and not _TRIVIAL.fullmatch(value)


def redacted(line: str) -> str:
    """A history line with the values of what is named like a secret replaced."""
    declared, shell = _parts(line)
    text = _DECLARED.sub(_masked, declared) + _IN_SHELL.sub(_masked, shell)
    for pattern, _name in _UNNAMED:
        text = pattern.sub(rf"\g<head>{_HIDDEN}", text)
    return text


def _masked(match: re.Match[str]) -> str:
    return f"{match['name']}={_HIDDEN}" if _gives_away(match["name"], match["value"]) else match[0]
