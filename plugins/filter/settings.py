# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings in templates; each filter is documented in the file of its name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..plugin_utils.settings import misspelt, options_of


def unknown_settings(given: Iterable[str], role: str) -> list[str]:
    """A sentence for each given name that is no setting of the role in that directory, with the nearest one that is."""
    return misspelt(given, options_of(Path(role)))


def setting_mistakes(variables: Mapping[str, Any], parts: Collection[str], roles: str) -> list[str]:
    """A sentence for each mistake in the variables of a stack and of the roles that are to run."""
    # Ansible loads every file of filters to find one of them: what is large is imported when it is called.
    from ..plugin_utils import judging

    return judging.setting_mistakes(variables, parts, Path(roles))


class FilterModule:
    """Filters over settings."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"unknown_settings": unknown_settings, "setting_mistakes": setting_mistakes}
