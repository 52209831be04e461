# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What timers on the server call: one operation on a stack's backups, by the settings that lie in its directory."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import EngineError, StepError, UserError
from ..stack.directory import StackState
from ..stack.parse import parse_stack
from .edge import NoEdge
from .held import held
from .keeping import keeping
from .operations import OPERATIONS, perform
from .run import Run, Settings

_TRY_AGAIN = 600


def main(argv: Sequence[str] = ()) -> int:
    """Exit status; what went wrong is said on stderr."""
    arguments = list(argv or sys.argv[1:])
    if len(arguments) != 2 or arguments[1] not in OPERATIONS:
        print(f"usage: backup SETTINGS {'|'.join(OPERATIONS)}", file=sys.stderr)
        return 2
    place, operation = Path(arguments[0]), arguments[1]
    try:
        told = json.loads(place.read_text(encoding="utf-8"))
        record = _under_the_lock(told, operation)
    except StepError as error:
        advice = f" Next: {error.advice}" if error.advice else ""
        print(f"The {operation} failed: {error.cause}.{advice}", file=sys.stderr)
        return 1
    except (UserError, EngineError, OSError, ValueError) as error:
        print(f"The {operation} could not begin: {error}", file=sys.stderr)
        return 1
    print(json.dumps(record, sort_keys=True))
    return 0


def _under_the_lock(told: dict[str, Any], operation: str) -> dict[str, Any]:
    stack = parse_stack(told["stack"])
    state = StackState(told["root"], stack.name)
    wishes = told["keeping"]
    settings = Settings(
        keep_backups=wishes["keep_local"],
        keep_backup_days=wishes["keep_local_days"],
        keeping=keeping(wishes, stack),
    )
    # A release that takes longer has its reasons: the timer's next try is a day away.
    with held(stack, state, operation, max(told["lock_wait"], _TRY_AGAIN)) as found:
        if found.elsewhere:
            raise UserError(found.elsewhere)
        # Nothing is written meanwhile, and the stack may have moved to a server whose backups are the newer ones.
        if operation == "backup" and (since := state.resting()):
            return {"at_rest_since": since, "told": "the stack is at rest, and its last backup stays the newest"}
        current = state.serving().current
        edge = NoEdge(current.colour if current else None)
        found.engine.wait(60)
        run = Run(stack, told["stack"], {}, settings, state, found.engine, edge, inherit=found.inherit)
        record = perform(run, operation)
    return record | {"finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
