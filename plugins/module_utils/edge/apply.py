# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes the edge: render, have nginx test it, swap, reload; and back when that fails.

What lies on disk is what nginx serves. A process that is killed in between leaves that in doubt, and the next
one has nginx load what is current.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..errors import UserError
from .engine import EdgeEngine
from .look import Look
from .model import State
from .render import render
from .store import Store, digest, state_in

Pairs = Mapping[str, tuple[bytes, bytes]]
"""Stack → certificate chain and key, PEM."""
Change = Callable[[State], State]


@dataclass(frozen=True)
class Applied:
    changed: bool
    state: State
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    """Readable files before and after, by name: for a diff. No keys, no hashes."""


def apply(
    store: Store,
    engine: EdgeEngine,
    state: State,
    pairs: Pairs | None = None,
    check: bool = False,
    look: Look | None = None,
    present: Mapping[str, bytes] | None = None,
) -> Applied:
    """Make the edge be what `state` says; the caller holds the store's lock.

    Args:
        store: The edge's directory.
        engine: The engine that nginx runs in.
        state: What is wanted.
        pairs: Key pairs to put in place of the present ones.
        check: Only say what would change.
        look: What the engine just said; asked for by default.
        present: The store's files, where the caller has just read them.

    Raises:
        UserError: nginx refused it; what served before serves on.
    """
    present = present or store.files()
    look = look or engine.look(state.aliases())
    rendered = render(state, look.addresses, engine.features(look.image, fetch=not check))
    wanted = _files(state, rendered, present, pairs or {})
    before, after = _readable(present), _readable(wanted)
    previous = store.current()
    serves = digest(present) == previous == store.served()
    if serves and digest(wanted) == previous:
        return Applied(False, state)
    if check:
        return Applied(True, state, before, after)
    name = store.write(wanted, state.edge.uid)
    try:
        # A whole reading, of all sites.
        if not (serves and look.master and _is_a_move(state, wanted, present)):
            engine.test(name, look.master)
        _swap(store, engine, look.master, previous, name)
    except BaseException:
        store.discard(name)
        raise
    store.prune()
    return Applied(True, state, before, after)


def _swap(store: Store, engine: EdgeEngine, master: int, previous: str, name: str) -> None:
    store.note_served("")
    try:
        store.make_current(name)
        engine.reload(master)
    except BaseException:
        if previous:
            store.make_current(previous)
            # nginx may be about to take the new one up.
            with contextlib.suppress(UserError):
                engine.reload(master)
                store.note_served(previous)
        raise
    store.note_served(name)


def _files(state: State, rendered: Mapping[str, str], present: Mapping[str, bytes], pairs: Pairs) -> dict[str, bytes]:
    files = {name: text.encode() for name, text in rendered.items()}
    files["state.json"] = state.to_json().encode()
    for site in state.sites:
        chain, key = f"tls/{site}.pem", f"tls/{site}.key"
        if site in pairs:
            files[chain], files[key] = pairs[site]
        else:
            files[chain], files[key] = present[chain], present[key]
    return files


def _is_a_move(state: State, wanted: Mapping[str, bytes], present: Mapping[str, bytes]) -> bool:
    """Whether all that differs is who serves: addresses, ports and digests, in which nginx finds no fault."""

    def but_who_serves(files: Mapping[str, bytes]) -> dict[str, bytes]:
        moving = ("upstreams.conf", "policies.conf", "state.json")
        return {name: content for name, content in files.items() if name not in moving}

    former = state_in(present)
    return former is not None and former.sites == state.sites and but_who_serves(wanted) == but_who_serves(present)


def _readable(files: Mapping[str, bytes]) -> dict[str, str]:
    hidden = ("tls/", "htpasswd/", "preview.conf", "state.json")
    return {name: content.decode() for name, content in files.items() if not name.startswith(hidden)}
