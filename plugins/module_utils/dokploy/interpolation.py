# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""References to variables in a Compose file's values, filled in as Compose does it."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(:?[-+?])?)", re.ASCII)
# A default may hold references of its own; nobody nests so many.
DEEPEST = 20


def interpolate(text: str, variables: Mapping[str, str], depth: int = 0) -> str:
    """A value with its references filled in; one that Compose would not take stays as it is.

    Args:
        text: A value of the file.
        variables: What Compose reads from the `.env`.
        depth: How many references this text stands in.
    """
    parts: list[str] = []
    position = 0
    while match := _REFERENCE.search(text, position):
        parts.append(text[position : match.start()])
        escaped, bare, braced, operator = match.groups()
        end = match.end()
        if escaped:
            parts.append("$")
        elif bare:
            parts.append(variables.get(bare, ""))
        else:
            closed = _closing(text, end) if operator else text.find("}", end, end + 1)
            if closed < 0 or depth >= DEEPEST:
                return "".join(parts) + text[match.start() :]
            parts.append(_value(variables.get(braced), operator, text[end:closed], variables, depth))
            end = closed + 1
        position = end
    return "".join(parts) + text[position:]


def _value(value: str | None, operator: str | None, word: str, variables: Mapping[str, str], depth: int) -> str:
    """What one reference in braces stands for; a missing one that must be there is empty, as nothing is known of it."""
    there = bool(value) if operator and operator.startswith(":") else value is not None
    if operator and (operator[-1] == "+") == there and operator[-1] != "?":
        return interpolate(word, variables, depth + 1)
    return "" if value is None or (operator and operator[-1] == "+") else value


def _closing(text: str, start: int) -> int:
    """Where the brace closes that was opened before start; -1 where none does."""
    opened = 1
    for position in range(start, len(text)):
        if text[position] == "{":
            opened += 1
        elif text[position] == "}":
            opened -= 1
        if not opened:
            return position
    return -1
