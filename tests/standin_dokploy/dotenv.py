# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Environment texts as the server treats them: read as npm's dotenv does, references filled in, rewritten."""

from __future__ import annotations

import re
from collections.abc import Mapping

# dotenv 16's own pattern, which is ECMAScript's and means the same in Python's ASCII mode.
_PATTERN = re.compile(
    r"""^\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:#.*)?$""",
    re.MULTILINE | re.ASCII,
)


def parse(text: str) -> dict[str, str]:
    values = {}
    for name, raw in _PATTERN.findall(text.replace("\r\n", "\n").replace("\r", "\n")):
        value = raw.strip()
        quote = value[:1]
        if quote in ("'", '"', "`") and len(value) > 1 and value.endswith(quote):
            value = value[1:-1]
        if quote == '"':
            value = value.replace(r"\n", "\n").replace(r"\r", "\r")
        values[name] = value
    return values


class UndefinedReferenceError(Exception):
    """A `${{…}}` that leads nowhere; it fails the deployment."""


def resolve(service: str, project: str, environment: str) -> dict[str, str]:
    own = parse(service)
    levels = {"project.": parse(project), "environment.": parse(environment), "": own}

    def fill(match: re.Match[str]) -> str:
        reference = match.group(1)
        prefix = next(p for p in levels if reference.startswith(p))
        name = reference[len(prefix) :]
        if name not in levels[prefix]:
            raise UndefinedReferenceError(f"Invalid environment variable: {reference}")
        return levels[prefix][name]

    return {name: re.sub(r"\$\{\{(.*?)\}\}", fill, value) for name, value in own.items()}


def write(values: Mapping[str, str]) -> str:
    """The .env for Compose, quoted as v0.30 does it."""
    lines = []
    for name, value in values.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
        lines.append(f'{name}="{escaped}"')
    return "\n".join(lines)
