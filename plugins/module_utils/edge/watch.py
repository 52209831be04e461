# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps nginx's upstreams true to where the containers are.

Docker gives a container that starts again another address, perhaps one that was another stack's. So nginx is
started by this watcher, after a look, and told anew whenever a container joins the network or leaves it.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Callable
from typing import IO

from ..errors import UserError
from .apply import apply
from .engine import EdgeEngine, Resolve, container_name, run
from .names import addresses_in
from .renewal import Say
from .store import Store
from .swarm import Swarm

# A release starts several containers at once: one reload for them.
_SETTLE_SECONDS = 0.2
_RETRY_SECONDS = 5.0
_ASK_SECONDS = 1.0
# One that left the network is known by its name no more, and its address would keep requests waiting.
_EVENTS = ("docker", "events", "--filter=type=container", "--filter=type=network",
           "--filter=type=node", "--filter=event=start", "--filter=event=connect", "--filter=event=disconnect",
           "--filter=event=update", "--format={{.Type}}")  # fmt: skip


def refresh(store: Store) -> bool:
    """Render the upstreams anew; tells whether anything moved."""
    with store.lock():
        state = store.state()
        return state is not None and apply(store, EdgeEngine(state.edge, store.root), state).changed


def start(store: Store) -> None:
    """Start nginx if it does not run."""
    state = store.state()
    if state is not None and not EdgeEngine(state.edge, store.root).look().master:
        done = run(["docker", "start", container_name(state.edge)])
        if done.returncode:
            raise UserError(f"nginx does not start: {done.stderr.strip()}")


def remind(store: Store) -> None:
    """Edges of a swarm that came up are told what they missed."""
    state = store.state()
    if state is not None and state.edge.overlay:
        Swarm(state.edge, store.root).remind()


def watch(store: Store, say: Say) -> None:
    """Follow the engine's events until it goes away."""
    with subprocess.Popen(_EVENTS, stdout=subprocess.PIPE) as events:
        try:
            _follow(events.stdout, store, say)
        finally:
            events.terminate()


def _follow(events: IO[bytes] | None, store: Store, say: Say) -> None:
    """Refresh at every event, and start nginx once; what fails is tried again without waiting for an event."""
    if events is None:
        return
    started = done = reminded = False
    moves = Moves(store)
    while True:
        done = _attempt(lambda: _refresh_and_report(store, say), say)
        # Even if the refresh fails: what nginx served last is better than nothing.
        started = started or _attempt(lambda: start(store), say)
        # What this host missed is among it.
        reminded = reminded or _attempt(lambda: remind(store), say)
        wait = None if done and started and reminded else _RETRY_SECONDS
        while _waits(events, wait, moves):
            # Past the stream's own buffer, which select does not see.
            told = os.read(events.fileno(), 65536)
            if not told:
                return
            reminded = reminded and b"node" not in told
            wait = _SETTLE_SECONDS


def _waits(events: IO[bytes], seconds: float | None, moves: Moves) -> bool:
    """Until there is an event (true), or it is time to look without one."""
    while seconds is None:
        if select.select([events], [], [], _ASK_SECONDS if moves.unseen else None)[0]:
            return True
        if moves.any():
            return False
    return bool(select.select([events], [], [], seconds)[0])


class Moves:
    """What no event of this host's engine tells: tasks of a swarm that start and end on other hosts."""

    def __init__(self, store: Store, resolve: Resolve = addresses_in) -> None:
        self._store, self._resolve = store, resolve
        self._generation = self._namespace = ""
        self._names: set[str] = set()
        self._found: dict[str, tuple[str, ...]] | None = None
        self.unseen = True
        """Whether there may be such moves."""

    def any(self) -> bool:
        """Whether DNS leads elsewhere than when it was asked last; where it does not answer, all is as it was."""
        try:
            if self._generation != self._store.current() or not self._namespace:
                self._learn()
            found = self._resolve(self._namespace, self._names) if self._namespace else None
        except (UserError, OSError, ValueError):
            self._namespace = ""
            return False
        before, self._found = self._found, found
        return found is not None and before != found

    def _learn(self) -> None:
        generation, state = self._store.current(), self._store.state()
        self.unseen = state is None or state.edge.overlay
        if state is not None and self.unseen:
            self._names = state.aliases()
            self._namespace = EdgeEngine(state.edge, self._store.root).look().namespace
        self._generation = generation


def _attempt(action: Callable[[], None], say: Say) -> bool:
    try:
        action()
    except (UserError, OSError, ValueError) as error:
        # nginx keeps what it has.
        say(str(error))
        return False
    return True


def _refresh_and_report(store: Store, say: Say) -> None:
    if refresh(store):
        say("containers have moved: upstreams rendered anew")
