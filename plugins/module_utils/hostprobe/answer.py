# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the host is asked, and what it answers, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UserError
from ..results import worst_status
from .host import settings_file
from .look import Wishes, look


def answer(options: Mapping[str, Any]) -> dict[str, Any]:
    """The results, and what further checks on the host need to know; `failed` and `msg` for a wrong setting."""
    wishes = {name: value for name, value in options.items() if name != "max_image_size"}
    try:
        seen = look(Wishes(**wishes))
    except UserError as error:
        return {"failed": True, "msg": str(error)}
    return {
        "changed": False,
        "results": seen.results,
        "status": worst_status(seen.results),
        "images": seen.images(options["services"], options["max_image_size"]),
        "containers": [c.id if c.node else c.name for c in seen.containers],
        "build_logs": seen.build_logs,
        "scheduled": settings_file(options["stack"]).exists(),
    }
