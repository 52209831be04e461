# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The seam that a release calls: which colour of a stack the edge sends requests to."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import UserError
from .apply import apply
from .engine import EdgeEngine, Run, run
from .headers import inline_script_hashes
from .look import Look
from .model import Serving, State
from .render import Addresses
from .site import Site
from .store import Store, state_in

COLOURS = ("blue", "green")
_TARGET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*:\d{1,5}")
_PAGE_SECONDS = 5
# Word of a task that has just started takes a moment to every host of a swarm.
_WORD_SECONDS = 5.0


def status(store: Store, stack: str) -> dict[str, Any]:
    return _answer(stack, known(store, stack).serving_of(stack), changed=False)


def certificate(store: Store, stack: str) -> dict[str, Any]:
    """Until when the certificate on disk is valid, and whether a certificate authority gave it.

    Raises:
        UserError: There is no such stack, or no certificate of it that can be read.
    """
    # Slow to import, and no switch needs it.
    from .certificates import facts, fingerprint

    known(store, stack)
    chain = store.files().get(f"tls/{stack}.pem")
    if chain is None:
        raise UserError(f"the edge has no certificate of {stack} yet.")
    found = facts(chain)
    return {
        "stack": stack,
        "ends": f"{found.not_after:%Y-%m-%dT%H:%M:%SZ}",
        "self_signed": found.self_signed,
        "fingerprint": fingerprint(chain),
    }


def switch(store: Store, stack: str, request: str, runner: Run = run) -> dict[str, Any]:
    """Send the stack's requests to the colour that the request (JSON) names.

    Raises:
        UserError: The request is wrong, a target does not run, or nginx refuses; the former colour serves on.
    """
    wanted = parse(request)
    with store.lock():
        files = store.files()
        state = _known(state_in(files), stack)
        site, former = state.sites[stack], state.serving_of(stack)
        engine = EdgeEngine(state.edge, store.root, runner)
        look = _look(engine, state.with_serving(stack, wanted))
        _check(site, wanted, look.addresses)
        previous = former.previous if former.colour == wanted.colour else former.colour
        serving = replace(wanted, previous=previous, script_hashes=script_hashes_of(site, wanted, look))
        applied = apply(store, engine, state.with_serving(stack, serving), look=look, present=files)
        return _answer(stack, serving, applied.changed)


def _look(engine: EdgeEngine, state: State) -> Look:
    deadline, names = time.monotonic() + _WORD_SECONDS, state.aliases()
    while True:
        look = engine.look(names)
        if not look.namespace or names <= look.addresses.keys() or time.monotonic() > deadline:
            return look
        time.sleep(0.2)


def _answer(stack: str, serving: Serving, changed: bool) -> dict[str, Any]:
    return {"stack": stack, "serving": serving.colour, "previous": serving.previous, "changed": changed}


def known(store: Store, stack: str) -> State:
    return _known(store.state(), stack)


def _known(state: State | None, stack: str) -> State:
    if state is None or stack not in state.sites:
        raise UserError(f"stack {stack!r} is not on this edge; run the nginx_certbot role for it first.")
    return state


def parse(request: str) -> Serving:
    """Whom a request names.

    Raises:
        UserError: It is none.
    """
    try:
        data = json.loads(request)
        colour, upstreams = data["colour"], data.get("upstreams", {})
        if colour not in (*COLOURS, None) or not isinstance(upstreams, Mapping):
            raise ValueError
        targets = {service: tuple(listed) for service, listed in upstreams.items()}
        if not all(_TARGET.fullmatch(target) for listed in targets.values() for target in listed):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            'the request must be JSON such as {"colour": "blue", "upstreams": {"server": ["alias:3000"]}}; '
            "colour is blue, green or null."
        )
    # Without a colour nothing serves but the maintenance page.
    return Serving(colour=colour, upstreams=targets if colour else {})


def _check(site: Site, wanted: Serving, addresses: Addresses) -> None:
    if wanted.colour is None:
        return
    for service in site.upstreams:
        targets = wanted.upstreams.get(service, ())
        if not targets:
            raise UserError(f"a route of {site.name} leads to {service!r}, and the request names no target for it.")
        for target in targets:
            if not addresses.get(target.rsplit(":", 1)[0]):
                raise UserError(f"no running container on the edge network answers to {target.rsplit(':', 1)[0]!r}.")


def wants_hashes(site: Site) -> bool:
    return site.csp_hash_scripts and bool(site.csp) and site.csp_mode != "app"


def script_hashes_of(site: Site, serving: Serving, look: Look) -> tuple[str, ...]:
    """Hashes of the inline scripts of the page that this colour serves at /; a nicety, that stops no release."""
    if not (wants_hashes(site) and serving.colour):
        return ()
    fitting = [route for route in site.routes if route.path == "/"]
    if not fitting:
        return ()
    # Here, because it is a good part of a switch's time, and most stacks have no use for it.
    from .fetch import html_page

    targets = [target.rsplit(":", 1) for target in serving.upstreams.get(fitting[0].service, ())]
    found = [(address, int(port)) for alias, port in targets for address in look.addresses.get(alias, ())]
    if not found:
        return ()
    return inline_script_hashes(html_page(*found[0], site.domains[0], _PAGE_SECONDS, look.namespace))
