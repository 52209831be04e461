# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from collections.abc import Callable, Iterable

from ..module_utils.errors import nearest


def unknown_settings(given: Iterable[str], known: Iterable[str]) -> list[str]:
    """A sentence for each given name that is not known, with the nearest one that is."""
    names = list(known)
    return [f"{name} is not a setting{nearest(name, names)}" for name in sorted(given) if name and name not in names]


class FilterModule:
    """Filters over the names of settings."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"unknown_settings": unknown_settings}
