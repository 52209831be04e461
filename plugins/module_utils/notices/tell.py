# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell people: a small file, written at once. Who sends it, and how long that takes, holds up nobody."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..files import write_whole

SETTINGS = Path("/etc/sluice/notify.json")
SPOOL = Path("/var/lib/sluice/notices")
_KNOWN = SPOOL.with_name("notices-known")
_LONGEST = 3000
# So many that wait mean that nobody sends.
_MOST = 1000


def tell(event: str, title: str, text: str = "", stack: str = "", only: Sequence[str] = ()) -> None:
    """Tell of something, where people want to be told; whatever goes wrong with that is nobody's trouble here.

    Args:
        event: Such as `release.failed`; people choose by it.
        title: One line.
        text: More of it, secrets masked.
        stack: The stack that it is about; empty for the host.
        only: Identities of the targets that it is for; all by default.
    """
    with contextlib.suppress(OSError):
        if not SETTINGS.exists() or sum(1 for _ in SPOOL.iterdir()) > _MOST:
            return
        now = time.time()
        told = {
            "event": event,
            "stack": stack,
            "host": socket.gethostname(),
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
            "title": " ".join(title.split())[:200],
            "text": text[-_LONGEST:],
            **({"only": " ".join(only)} if only else {}),
        }
        write_whole(SPOOL / f"{time.time_ns()}.json", json.dumps(told))


def tell_change(about: str, title: str, troubles: Sequence[str], stack: str = "", text: str = "") -> None:
    """Tell of troubles when they are others than at the last time: `about.failed`, or `about.well` when all are gone.

    Args:
        about: Such as `job`; with stack and title it stands for what is watched.
        title: What is watched, one line.
        troubles: A sentence each.
        text: What is told in their place, where they stand for what changes alone.
    """
    with contextlib.suppress(OSError):
        if not SETTINGS.exists():
            return
        known = _KNOWN / re.sub(r"[^A-Za-z0-9._-]+", "_", f"{about}-{stack}-{title}")[:120]
        now = "\n".join(troubles)
        if now == _read(known).get("troubles", ""):
            return
        _KNOWN.mkdir(mode=0o700, exist_ok=True)
        event, became = (f"{about}.failed", "trouble") if troubles else (f"{about}.well", "well again")
        told = {"event": event, "title": f"{title}: {became}", "text": text or now, "stack": stack}
        write_whole(known, json.dumps({"troubles": now, "told": told}))
        tell(**told)


def tell_what_is_known(targets: Sequence[str]) -> None:
    """Targets that are new hear of what is wrong now: it is told once, and was before they were there.

    Args:
        targets: Their identities.
    """
    with contextlib.suppress(OSError):
        for known in sorted(_KNOWN.glob("*")) if targets else ():
            if (told := _read(known)).get("troubles"):
                tell(**told["told"], only=targets)


def forget() -> None:
    """Where nobody is told any more, nothing is known to anybody."""
    shutil.rmtree(_KNOWN, ignore_errors=True)


def _read(known: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(known.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
