# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Swarms in templates; each filter is documented in the file of its name."""

from __future__ import annotations

from collections.abc import Callable

from ..module_utils.dockerhost.nodes import lead_of, nodes_of
from ..module_utils.dockerhost.swarm import plan


class FilterModule:
    """Filters over the nodes of a swarm."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"swarm_lead": lead_of, "swarm_nodes": nodes_of, "swarm_plan": plan}
