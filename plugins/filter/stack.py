# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stacks in templates; each filter is documented in the file of its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..module_utils.errors import UserError
from ..plugin_utils.overview import overview, records


def stack_mistakes(description: Mapping[str, Any], secrets: Mapping[str, Any]) -> list[str]:
    """A sentence for each mistake of a description and its secrets; none when all is well."""
    # Ansible loads every file of filters to find one of them: what is large is imported when it is called.
    from ..module_utils.secretvalues.values import check_secrets
    from ..module_utils.stack.parse import parse_stack

    try:
        check_secrets(parse_stack(description).secret_names, secrets)
    except UserError as error:
        return str(error).splitlines()
    return []


class FilterModule:
    """Filters over stacks."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"stack_mistakes": stack_mistakes, "stack_overview": overview, "stack_records": records}
