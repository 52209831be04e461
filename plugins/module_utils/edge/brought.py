# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One certificate for all edges of a swarm: the lead brings it, the others put it in place.

With it come certbot's files, so that another edge can take the lead's place. It travels as a secret of the swarm. The
job that brings it stays, so that a node that joins later gets it too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import partial
from typing import Any

from ..errors import UserError, troubles_of
from . import attempts, lineage
from .apply import apply
from .certificates import check_pair, facts
from .engine import EdgeEngine, Run, run
from .job import Job
from .keypairs import live_pair
from .model import Edge
from .renewal import Say
from .store import Store
from .swarm import Swarm
from .switch import known

_SECONDS = 60.0


def bring(store: Store, say: Say, runner: Run = run) -> list[str]:
    """Have all edges serve what this one does, where this is the lead.

    Returns:
        What a person has to look after, a line each.
    """
    state = store.state()
    if state is None or not state.edge.overlay or state.edge.lead:
        return []
    files, troubles = store.files(), list[str]()
    swarm = Swarm(state.edge, store.root, runner)
    for name, site in state.sites.items():
        chain, key = files[f"tls/{name}.pem"], files[f"tls/{name}.key"]
        # A placeholder each makes for itself, and the user's own comes with the settings.
        if site.certificate.kind == "own" or (site.certificate.kind == "acme" and facts(chain).self_signed):
            continue
        acme = lineage.pack(store.root, name) if site.certificate.kind == "acme" else {}
        issued = attempts.load(store.root, name).issued if acme else {}
        pair = {"chain": chain.decode(), "key": key.decode(), "secret": state.secret}
        body = json.dumps({**pair, "acme": acme, "issued": issued})
        troubles += troubles_of(partial(_bring, swarm, name, body, say), f"{name}: not all edges have the certificate")
    return troubles


def _bring(swarm: Swarm, stack: str, body: str, say: Say) -> None:
    # A node that joins later has the image of that time.
    digest = hashlib.sha256(f"{swarm.image} {body}".encode()).hexdigest()[:16]
    if swarm.reached("bring", stack, digest):
        return
    nodes, down = swarm.edges()
    number = swarm.next_number("bring", stack)
    # Where the edge is made ready at the same time, it comes first or the certificate does.
    job = Job("bring", stack, number, body, stays=True, digest=digest, secret=True, patient=True)
    failures = swarm.ask(job, _SECONDS, nodes, down).failures
    swarm.tidy("bring", stack, [number])
    if failures:
        # The swarm tries on.
        raise UserError("; ".join(f"{host}: {words}" for host, words in sorted(failures.items())))
    say(f"{stack}: all edges have the certificate")


def wanting(store: Store, edge: Edge, stack: str, runner: Run = run) -> bool:
    """Whether some edge was not told yet, by the lead, what it has to know of a stack."""
    swarm = Swarm(edge, store.root, runner)
    # Neither was ever brought: there is nothing to bring yet.
    return any(swarm.jobs(verb, stack) and not swarm.reached(verb, stack) for verb in ("bring", "to"))


def receive(store: Store, stack: str, body: str, runner: Run = run) -> dict[str, Any]:
    """Put what the lead brings in place: checked, swapped as one, reloaded.

    Raises:
        UserError: It fits neither its key nor the site's names, or nginx refuses it; the former one keeps serving.
    """
    try:
        brought = json.loads(body)
        chain, key, secret = brought["chain"].encode(), brought["key"].encode(), str(brought["secret"])
        acme, issued = dict(brought.get("acme") or {}), dict(brought.get("issued") or {})
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError("what was brought is no certificate with its key.")
    with store.lock():
        state = known(store, stack)
        check_pair(chain, key)
        found = facts(chain)
        missing = [name for name in state.sites[stack].names if not found.covers(name)]
        if missing:
            raise UserError(f"the lead's certificate of {stack} is not for {', '.join(missing)}.")
        # One that this edge has got from the CA since is the newer one.
        own = live_pair(store.root, stack)
        if acme and not (own and facts(own[0]).not_after > found.not_after):
            lineage.unpack(store.root, stack, acme, state.edge.uid)
            lineage.note_issued(store.root, stack, issued)
        engine = EdgeEngine(state.edge, store.root, runner)
        applied = apply(store, engine, replace(state, secret=secret or state.secret), {stack: (chain, key)})
        return {"stack": stack, "changed": applied.changed}
