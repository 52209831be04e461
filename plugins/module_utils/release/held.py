# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stack held for one run: by the node's lock, and on a swarm by the lock and the ledger of all of its managers."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..lock import locked
from ..stack import Stack
from ..stack.directory import StackState, read_description
from ..stack.swarm import on_one_node
from .docker import Docker
from .engines import engine_of
from .ledger import Ledger
from .shelf import SwarmShelf
from .swarm import Swarm
from .swarmlock import swarm_locked


@dataclass
class Held:
    """What a run has while it holds a stack."""

    engine: Docker
    inherit: tuple[int, ...] = ()
    elsewhere: str = ""
    """Why the stack's data cannot be used from here; empty where it can."""
    ledger: Ledger | None = None


@contextlib.contextmanager
def held(stack: Stack, state: StackState, what: str, wait: float, setting: str = "") -> Iterator[Held]:
    """Nobody else changes the stack, and what others did is known here.

    Raises:
        UserError: The lock is held.
        EngineError: The swarm does not answer.
    """
    pinned = on_one_node(stack)
    with locked(state.lock_file, what, wait, setting) as descriptor:
        engine = engine_of(stack, (descriptor,))
        with held_by_all(engine, state, bool(pinned), what, wait, (descriptor,)) as found:
            if isinstance(engine, Swarm) and found.ledger:
                found.elsewhere = elsewhere(engine, stack.name, pinned, found.ledger)
                engine.home = found.ledger.home or engine.home
            yield found


@contextlib.contextmanager
def held_by_all(
    engine: Docker, state: StackState, pinned: bool, what: str, wait: float, inherit: tuple[int, ...]
) -> Iterator[Held]:
    """What a node's own lock is for its processes, for all managers of a swarm; on one host, nothing.

    Args:
        pinned: Whether the stack has data that lies on one node.
    """
    if not isinstance(engine, Swarm):
        yield Held(engine, inherit)
        return
    engine.wait(60)
    shelf = SwarmShelf(state.directory, inherit)
    with swarm_locked(shelf, state.directory.name, what, wait) as lock:
        ledger = Ledger(shelf, state, pinned, lock.check)
        if ledger.open():
            _keep_images(engine, state)
        state.on_change = ledger.keep
        try:
            yield Held(engine, inherit, ledger=ledger)
        finally:
            state.on_change = lambda: None
            ledger.settle()


def elsewhere(engine: Swarm, stack: str, pinned: Sequence[str], ledger: Ledger) -> str:
    """Why data cannot be used from this node; empty where there is none, or it can."""
    here, home = socket.gethostname(), ledger.home
    if home in ("", here) or not pinned:
        return ""
    state = engine.state_of(home)
    if not state:
        # Whoever let that node leave has been told what goes with it.
        ledger.home = here
        return ""
    advice = (
        "bring it back; or, where it is lost for good, let it leave (swarm_state: absent), release here, which begins"
        " with empty volumes, and bring a backup back (playbooks/restore.yml)"
        if state == "down"
        else "release from there: name it first among the managers"
    )
    return f"the data of {stack} ({', '.join(pinned)}) is on the node {home}, which is {state}: {advice}"


def _keep_images(engine: Swarm, state: StackState) -> None:
    """Images of this node that another node's releases have are theirs here as well."""
    for directory in state.releases.glob("[!.]*"):
        told = read_description(directory) or {"images": {}}
        for service, tag in told.get("keep", {}).items():
            image = engine.image(told["images"][service])
            if image:
                engine.keep(image, tag)
