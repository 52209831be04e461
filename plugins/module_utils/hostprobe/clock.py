# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a timer on the host calls: the checks of a stack on its host, told where they change, and as figures."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import units
from ..docker.api import SOCKET
from ..errors import UserError
from ..files import write_whole
from ..notices.tell import tell_change
from ..results import GateResult
from ..stack.directory import StackState
from .figures import figures
from .host import settings_file
from .look import Wishes, look
from .status import status


def main(argv: Sequence[str] = ()) -> int:
    """Exit status; the results are on stdout."""
    arguments = list(argv or sys.argv[1:])
    if len(arguments) != 1:
        print("usage: verify SETTINGS", file=sys.stderr)
        return 2
    try:
        told = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
        wishes = Wishes(**told["wishes"])
        results = look(wishes).results
        for result in results:
            print(f"{result['status']:4}  {result['title']}: {result['measured']}")
        _tell(wishes.stack, results)
        if told["textfile"]:
            place = figures_file(told["textfile"], wishes.stack)
            write_whole(place, figures(wishes.stack, results, _known(wishes), time.time()), 0o644)
    except (UserError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def former(stack: str) -> list[Path]:
    """What a timer of the stack's checks has left on the host, or would have."""
    place = settings_file(stack)
    found = [units.UNITS / f"sluice-verify-{stack}.{kind}" for kind in ("timer", "service")]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(place.read_text(encoding="utf-8"))["textfile"]
        # Figures that nobody brings up to date are wrong.
        found += [figures_file(told, stack)] if told else []
    return [*found, place]


def figures_file(directory: str, stack: str) -> Path:
    """Where the figures go."""
    return Path(directory) / f"sluice_{stack}.prom"


def _tell(stack: str, results: Sequence[GateResult]) -> None:
    # What is measured differs each time, and is no news.
    wrong = [result for result in results if result["status"] in ("fail", "warn")]
    text = [f"{r['title']}: {r['measured']}, wanted {r['limit']}. {' '.join(r['advice'][:1])}".strip() for r in wrong]
    troubles = [f"{result['id']} {result['status']}" for result in wrong]
    tell_change("verify", "The checks on the host", troubles, stack, "\n".join(text))


def _known(wishes: Wishes) -> dict[str, Any]:
    """What is known of the stack's release; nothing of what something else deployed."""
    try:
        known: dict[str, Any] = status(wishes.root, wishes.stack, list(wishes.edge_switch), 0, SOCKET)["stacks"][0]
        records = StackState(wishes.root, wishes.stack).records()
    except UserError:
        return {}
    judged = [r for r in records if r.get("release") == known["release"] and r.get("gates")]
    return {**known, "gates": judged[-1]["gates"] if judged else []}
