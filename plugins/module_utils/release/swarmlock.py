# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One change of a stack at a time, whichever manager of the swarm it goes by.

Whoever holds the lock gives sign of life. Who waits takes it over from one that gave none for a while, by this
node's own clock: the holder is lost, and so is what it did. A node's own lock tells that of its processes before.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import EngineError, FasterError, UserError
from .shelf import Note, Shelf

_LABEL = "deploy.sluice.lock"
_BEAT_SECONDS, _DEAD_SECONDS, _POLL_SECONDS = 4.0, 20.0, 0.5


class Lock:
    """A lock that is held, as long as nobody took it over."""

    def __init__(self, shelf: Shelf, name: str, labels: dict[str, str]) -> None:
        self._shelf, self._name, self._labels = shelf, name, labels
        self._over, self._lost, self._beats = threading.Event(), False, 0
        self._thread = threading.Thread(target=self._live, daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()
        # Where the managers do not answer, who comes next finds no sign of life.
        with contextlib.suppress(EngineError):
            if note := self._mine():
                self._shelf.drop(note)

    def check(self) -> None:
        """
        Raises:
            EngineError: Another run has taken it over.
        """
        if self._lost:
            raise EngineError("another run has taken over: this one was silent for too long")

    def _live(self) -> None:
        while not self._over.wait(_BEAT_SECONDS):
            # Managers that agree on a leader say nothing meanwhile.
            with contextlib.suppress(EngineError):
                self.beat()

    def beat(self) -> None:
        self._beats += 1
        note = self._mine()
        if not note:
            self._lost = True
            return
        self._shelf.relabel(note, {**self._labels, "deploy.sluice.beat": str(self._beats)})

    def _mine(self) -> Note | None:
        holder = self._labels["deploy.sluice.holder"]
        notes = [note for note in self._shelf.notes(_LABEL) if note.name == self._name]
        return next((note for note in notes if note.labels.get("deploy.sluice.holder") == holder), None)


@contextlib.contextmanager
def swarm_locked(
    shelf: Shelf,
    stack: str,
    what: str,
    wait: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Lock]:
    """Hold the swarm's lock of a stack; the node's own is held already.

    Raises:
        UserError: Someone else held it for the whole of `wait` seconds; names the holder.
    """
    name, host = f"sluice-lock-{stack}", socket.gethostname()
    holder = {"host": host, "pid": os.getpid(), "since": round(time.time()), "what": what}
    labels = {_LABEL: stack, "deploy.sluice.holder": json.dumps(holder)}
    deadline, seen, seen_at = clock() + wait, -1, clock()
    while True:
        try:
            shelf.write(name, labels, stack)
            break
        except FasterError:
            held = next((note for note in shelf.notes(_LABEL) if note.name == name), None)
        if not held:
            continue
        if held.version != seen:
            seen, seen_at = held.version, clock()
        told = _told(held)
        if told.get("host") == host or clock() - seen_at >= _DEAD_SECONDS:
            with contextlib.suppress(FasterError):
                shelf.relabel(held, labels)
                break
        elif clock() >= deadline:
            age = round(time.time() - told.get("since", time.time()))
            raise UserError(
                f"{told.get('what')} (process {told.get('pid')} on {told.get('host')}, for {age} s) holds the lock of"
                f" {stack} in the swarm; run again when it has ended, or raise compose_stack_lock_wait."
            )
        sleep(_POLL_SECONDS)
    lock = Lock(shelf, name, labels)
    lock.begin()
    try:
        yield lock
    finally:
        lock.end()


def _told(note: Note) -> dict[str, Any]:
    try:
        found = json.loads(note.labels["deploy.sluice.holder"])
    except (KeyError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
