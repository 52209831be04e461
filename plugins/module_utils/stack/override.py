# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What services take of secrets by environment or within texts: a Compose file of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..secretvalues.tokens import fill_in, tokens
from .compose import HEADER, Compose
from .compose_runtime import literal
from .model import Service
from .yamlout import to_yaml


def secrets_override(services: Iterable[Service], values: Mapping[str, str]) -> str:
    """The secrets that services take by environment or within texts: a Compose file of its own, for mode 0600.

    Compose's `.env` dialects differ between versions in how they treat quotes and line feeds;
    a YAML string with `$` doubled arrives unchanged in all of them.
    """
    override = {}
    for service in services:
        env = {e.variable: literal(values[e.name]) for e in service.secrets if e.kind == "env"}
        override[service.name] = ({"environment": env} if env else {}) | _texts(service, values)
    return HEADER + to_yaml({"services": {name: taken for name, taken in override.items() if taken}})


def _texts(service: Service, values: Mapping[str, str]) -> Compose:
    """The keys of a service in which secrets stand, filled in."""
    found: Compose = {}
    for key, words in service.texts.items():
        if tokens(words):
            filled = [literal(fill_in(word, values)) for word in words]
            found |= {"healthcheck": {"test": filled}} if key == "health" else {key: filled}
    return found


def with_texts(override: str, service: Service, values: Mapping[str, str]) -> str:
    """An override in which the texts of one service are filled in anew."""
    lines, within, skipped, fresh = [], "", False, _texts(service, values)
    for line in override.splitlines():
        if line.startswith("  ") and not line.startswith("   "):
            within = line.strip().rstrip(":")
        if line.startswith("    ") and not line.startswith("     "):
            skipped = within == service.name and line.strip().partition(":")[0] in fresh
        elif not line.startswith("     "):
            skipped = False
        if not skipped:
            lines.append(line)
        if line == f"  {service.name}:":
            lines += [f"    {told}" for told in to_yaml(fresh).splitlines()]
    return "\n".join(lines) + "\n"


def with_value(override: str, service: str, variable: str, value: str) -> str:
    """An override with another value in place of the one that `secrets_override` gave the variable."""
    lines, within = override.splitlines(), ""
    line = to_yaml({variable: literal(value)}).rstrip()
    key = line.partition(": ")[0]
    for number, old in enumerate(lines):
        if old.startswith("  ") and not old.startswith("   "):
            within = old.strip().rstrip(":")
        elif within == service and old.startswith(f"      {key}: "):
            lines[number] = f"      {line}"
    return "\n".join(lines) + "\n"
