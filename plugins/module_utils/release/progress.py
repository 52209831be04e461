# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run does right now, for whoever waits for it: when the step began, and its name."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

# Readable for whoever logs in, as no step's name is a secret.
PLACE = Path("/run/sluice")


def note_in(stack: str, place: Path = PLACE) -> Callable[[str], None]:
    """What notes a step of a run of this stack; a note that cannot be written keeps nobody from working."""

    def note(step: str) -> None:
        with contextlib.suppress(OSError):
            place.mkdir(mode=0o755, exist_ok=True)
            (place / stack).write_text(f"{int(time.time())} {step}\n", encoding="utf-8")

    return note


def forget(stack: str, place: Path = PLACE) -> None:
    with contextlib.suppress(OSError):
        (place / stack).unlink()
