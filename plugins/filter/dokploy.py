# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.errors import UserError


def dokploy_domains(description: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """The domains of a stack description."""
    # Ansible loads every file of filters to find one of them: what is large is imported when it is called.
    from ..module_utils.dokploy.render import stack_domains
    from ..module_utils.stack.parse import parse_stack

    try:
        return [{**(options or {}), **domain} for domain in stack_domains(parse_stack(description))]
    except UserError as error:
        raise AnsibleFilterError(str(error))


class FilterModule:
    """Filters for Dokploy."""

    def filters(self) -> dict[str, Any]:
        return {"dokploy_domains": dokploy_domains}
