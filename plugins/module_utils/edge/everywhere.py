# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The seam that a release on a swarm calls: all edges as if they were one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import partial
from typing import Any

from ..errors import UserError, troubles_of
from .engine import Run, run
from .job import Job
from .model import Serving
from .store import Store
from .swarm import Outcome, Swarm
from .switch import known, parse

# A release waits a minute; a node that dies is known to be down after some 12 s.
_SWITCH_SECONDS, _BACK_SECONDS, _ASK_SECONDS = 25.0, 20.0, 15.0
MIXED = "mixed"
"""What serves where edges disagree: no colour, so that whoever asks points all of them anew."""


def switch(store: Store, stack: str, request: str, runner: Run = run) -> dict[str, Any]:
    """Send the stack's requests to a colour on every edge, or on none.

    Raises:
        UserError: Why not; what served on this host before serves on all edges that could be asked.
    """
    return _switch(store, stack, runner, request)


def _switch(store: Store, stack: str, runner: Run, request: str = "") -> dict[str, Any]:
    """Without a request, to what serves already, and an edge that is being made is waited for."""
    if request:
        parse(request)
    state = known(store, stack)
    with store.lock("everywhere.lock"):
        swarm, former = Swarm(state.edge, store.root, runner), known(store, stack).serving_of(stack)
        nodes, down = swarm.edges()
        number, patient = swarm.next_number("to", stack), not request
        request = request or _request(former)
        job = Job("to", stack, number, request, stays=True, digest=_digest(swarm), patient=patient)
        try:
            outcome = swarm.ask(job, _SWITCH_SECONDS, nodes, down)
            trouble = _told(outcome.failures)
        except UserError as error:
            trouble = str(error)
        if trouble:
            raise UserError(f"{trouble}; {_put_back(swarm, stack, former, number + 1)}")
        swarm.tidy("to", stack, [number])
    colour = parse(request).colour
    return {
        "stack": stack,
        "serving": colour,
        "previous": former.previous if former.colour == colour else former.colour,
        "changed": former.colour != colour,
        "left_out": outcome.left_out,
    }


def _put_back(swarm: Swarm, stack: str, former: Serving, number: int) -> str:
    """What is to say of it."""
    job = Job("to", stack, number, _request(former), stays=True, digest=_digest(swarm))
    try:
        # The failed one first, or a node that is late would do it after this.
        swarm.tidy("to", stack)
        nodes, down = swarm.edges()
        failures = swarm.ask(job, _BACK_SECONDS, nodes, down).failures
    except UserError as error:
        return f"and not all edges could be put back: {error}"
    if failures:
        return f"and not all edges could be put back: {_told(failures)}"
    return f"all edges serve {former.colour or 'the maintenance page'} as before"


def renew(store: Store, runner: Run = run) -> list[str]:
    """Every edge was told whom to serve, by a job from the image that edges have now.

    The swarm itself tells nodes that join or come back, but none that is made an edge later.

    Returns:
        What a person has to look after, a line each.
    """
    state, troubles = store.state(), list[str]()
    if state is None or not state.edge.overlay or state.edge.lead:
        return []
    swarm = Swarm(state.edge, store.root, runner)
    for name in state.sites:
        troubles += troubles_of(partial(_renew, swarm, store, name, runner), name)
    return troubles


def _renew(swarm: Swarm, store: Store, stack: str, runner: Run) -> None:
    if swarm.jobs("to", stack) and not swarm.reached("to", stack, _digest(swarm)):
        _switch(store, stack, runner)


def _request(serving: Serving) -> str:
    return json.dumps({key: asdict(serving)[key] for key in ("colour", "upstreams")})


def _digest(swarm: Swarm) -> str:
    return hashlib.sha256(swarm.image.encode()).hexdigest()[:16]


def _told(failures: dict[str, str]) -> str:
    return "; ".join(f"{host}: {words.rstrip('.')}" for host, words in sorted(failures.items()))


def status(store: Store, stack: str, runner: Run = run) -> dict[str, Any]:
    """Whom the edges serve.

    Raises:
        UserError: One that is up does not say.
    """
    answers, outcome = _ask(store, "status", stack, runner)
    colours = {answer["serving"] for answer in answers.values()}
    first = next(iter(answers.values()))
    serving = first["serving"] if len(colours) == 1 else MIXED
    return {**first, "serving": serving, "nodes": answers, "left_out": outcome.left_out}


def certificate(store: Store, stack: str, runner: Run = run) -> dict[str, Any]:
    """The edges' certificates: the one that ends first, and whether all are the same.

    Raises:
        UserError: One that is up does not say.
    """
    answers, outcome = _ask(store, "certificate", stack, runner)
    # A placeholder has the longest life, and is the worst.
    first = min(answers.values(), key=lambda answer: (not answer["self_signed"], answer["ends"]))
    equal = len({answer["fingerprint"] for answer in answers.values()}) == 1
    return {**first, "equal": equal, "nodes": answers, "left_out": outcome.left_out}


def _ask(store: Store, verb: str, stack: str, runner: Run) -> tuple[dict[str, Any], Outcome]:
    state = known(store, stack)
    outcome = Swarm(state.edge, store.root, runner).ask_once(verb, stack, _ASK_SECONDS)
    answers: dict[str, Any] = {}
    for host, words in sorted(outcome.answers.items()):
        try:
            answers[host] = json.loads(words)
        except ValueError:
            outcome.failures[host] = f"it said {words!r}"
    if outcome.failures or not answers:
        raise UserError(_told(outcome.failures) or "no edge answered.")
    return answers, outcome
