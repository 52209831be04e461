# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The secrets of a Compose project in templates; each filter is documented in the file of its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..module_utils.secretvalues.tokens import fill_in, tokens


def compose_secrets(secrets: Mapping[str, Any], project: Mapping[str, Any]) -> dict[str, Any]:
    """The vault's secrets, those that stand in the project's files, and those that are texts around others."""
    known = {**project["clear"], **secrets}
    composed: dict[str, str] = {}
    waiting = dict(project["composed"])
    # One may be composed of another.
    for _ in range(len(waiting)):
        for name, text in list(waiting.items()):
            values = {**known, **composed}
            if all(isinstance(values.get(part), str) for part in tokens(text)):
                composed[name] = fill_in(text, values)
                del waiting[name]
    return {**known, **composed}


class FilterModule:
    """Filters over Compose projects."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"compose_secrets": compose_secrets}
