# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do about a service that does not work, beyond what it says itself."""

from __future__ import annotations

import re

from ..stack import Service
from .engine import Container

# How programs say that the kernel refused them something.
_FORBIDDEN = re.compile(r"operation not permitted|permission denied|\bE(?:PERM|ACCES)\b|cannot mkdir", re.IGNORECASE)
_NODES_FETCH = (
    "each node fetches images by itself: let it reach the registry, or give the service pull: controller, which brings"
    " the image to all nodes. Then run the same play again."
)


def advice(service: Service, container: Container | None, said: str) -> str:
    """What to do about a service that does not work, where its own words do not tell.

    Args:
        container: The one that does not, where there is one.
        said: Its last words.
    """
    if container and container.refusal:
        return _NODES_FETCH
    if "ALL" not in service.cap_drop or not _FORBIDDEN.search(said):
        return ""
    return (
        f"If the image of {service.name} begins as root, as many entry points do that prepare files, give it what"
        f" stateful services have by default: stack_services.{service.name}.cap_add: [CHOWN, DAC_OVERRIDE, FOWNER,"
        " SETGID, SETUID], and NET_BIND_SERVICE for a port below 1024. Then run the same play again."
    )
