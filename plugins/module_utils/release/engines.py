# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which engine a stack runs on."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import EngineError
from ..stack import Stack
from .docker import Docker
from .swarm import Swarm


def engine_of(stack: Stack, inherit: Sequence[int] = ()) -> Docker:
    """The engine that the description names."""
    return Swarm(inherit) if stack.engine == "swarm" else Docker(inherit)


def engine_of_host(inherit: Sequence[int] = ()) -> Docker:
    """The engine of a server of which only that is known; a swarm's manager also finds what one host runs."""
    swarm = Swarm(inherit)
    try:
        return swarm if swarm.manages() else Docker(inherit)
    except EngineError:
        return Docker(inherit)
