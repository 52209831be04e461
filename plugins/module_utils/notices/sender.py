# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What systemd starts when a notice waits: each is sent to every target that wants it, and tried again a little."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .targets import Notice, send, wants
from .tell import SETTINGS, SPOOL

_WAITS = (0.0, 5.0, 30.0)
_LONGEST = 90.0
_POLL = 0.1


def main(argv: Sequence[str] = ()) -> None:
    """Send what waits, then end."""
    if list(argv or sys.argv[1:]):
        print("usage: notify", file=sys.stderr)
        os._exit(2)
    empty_spool(SETTINGS, SPOOL)
    sys.stdout.flush()
    # A target that hangs has a thread that hangs.
    os._exit(0)


class _Worker(threading.Thread):
    """One target: it is told of what waits for it, and how long that takes is of no concern to others."""

    def __init__(self, name: str, target: dict[str, Any], waits: Sequence[float]) -> None:
        super().__init__(daemon=True)
        self.left: list[Notice] = []
        self._name, self._target, self._waits = name, target, waits
        self._waiting: queue.Queue[Notice] = queue.Queue()

    def offer(self, notice: Notice) -> None:
        if wants(self._target, notice):
            self.left.append(notice)
            self._waiting.put(notice)

    def run(self) -> None:
        while True:
            notice = self._waiting.get()
            if reason := self._sent(notice):
                self.complain(notice, reason)
            self.left.remove(notice)

    def complain(self, notice: Notice, reason: str) -> None:
        print(f"{self._name} was not told of {notice['event']}: {reason}", flush=True)

    def _sent(self, notice: Notice) -> str:
        reason = ""
        for wait in self._waits:
            time.sleep(wait)
            reason = send(self._target, notice)
            if not reason:
                break
        return reason


def empty_spool(settings: Path, spool: Path, waits: Sequence[float] = _WAITS, longest: float = _LONGEST) -> None:
    """Each notice leaves the directory, whether it arrived or not: who is told late is told of the next one.

    Args:
        waits: Seconds before each try.
        longest: Seconds after the last notice from which nobody is waited for.
    """
    targets = json.loads(settings.read_text(encoding="utf-8"))["targets"]
    named = [f"{target['kind']} (docker_host_notify[{number}])" for number, target in enumerate(targets)]
    workers = [_Worker(name, target, waits) for name, target in zip(named, targets)]
    for worker in workers:
        worker.start()
    end = time.monotonic() + longest
    while True:
        for notice in _taken(spool):
            end = time.monotonic() + longest
            for worker in workers:
                worker.offer(notice)
        if not any(worker.left for worker in workers):
            return
        if time.monotonic() > end:
            break
        time.sleep(_POLL)
    for worker in workers:
        for notice in list(worker.left):
            worker.complain(notice, "it takes too long")


def _taken(spool: Path) -> Iterator[Notice]:
    for path in sorted(path for path in spool.iterdir() if path.name[0] != "."):
        notice = None
        with contextlib.suppress(OSError, ValueError):
            notice = json.loads(path.read_text(encoding="utf-8"))
        path.unlink(missing_ok=True)
        if notice:
            yield notice


if __name__ == "__main__":
    main()
