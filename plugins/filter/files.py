# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that a role writes, beside what a host has; each filter is documented in the file of its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def unlike(files: Iterable[Mapping[str, Any]], read: Mapping[str, str | None]) -> bool:
    """Whether one of the files is not as it was read."""
    return any(read.get(file["path"]) != (file["content"] if file["state"] == "present" else "") for file in files)


class FilterModule:
    """Filters over files."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"unlike": unlike}
