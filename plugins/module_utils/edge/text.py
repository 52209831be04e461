# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""nginx's syntax."""

from __future__ import annotations

from collections.abc import Iterable


def block(head: str, body: Iterable[str]) -> list[str]:
    """`head { … }` with its body indented."""
    return [f"{head} {{", *(f"    {line}" if line else "" for line in body), "}"]


def directive(name: str, *values: str) -> str:
    """One directive; `values` are parameters as nginx reads them, quoted where they must be."""
    return f"{' '.join((name, *values))};"


def quote(value: str) -> str:
    """A string as one literal parameter. nginx has no escape for $: callers refuse it before."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def variable(name: str) -> str:
    """A stack's name as a part of a variable's: it has dashes and no underscores."""
    return name.replace("-", "_")


def lines(rows: Iterable[str]) -> str:
    return "".join(f"{row}\n" for row in rows)
