# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

from ..module_utils.errors import nearest


def unknown_settings(given: Iterable[str], role: str) -> list[str]:
    """A sentence for each given name that is no setting of the role in that directory, with the nearest one that is."""
    text = Path(role, "meta/argument_specs.yml").read_text(encoding="utf-8")
    # libyaml's is ten times faster, where PyYAML was built with it.
    specs = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    names = list(specs["argument_specs"]["main"]["options"])
    return [f"{name} is not a setting{nearest(name, names)}" for name in sorted(given) if name not in names]


class FilterModule:
    """Filters over the names of settings."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"unknown_settings": unknown_settings}
