# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stacks in templates; each filter is documented in the file of its name."""

from __future__ import annotations

from collections.abc import Callable

from ..plugin_utils.overview import overview, records


class FilterModule:
    """Filters over stacks."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"stack_overview": overview, "stack_records": records}
