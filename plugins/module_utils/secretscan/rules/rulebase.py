# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules compiled for libhs, and their cache: what does not depend on any secret."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from ...errors import PatternRefusedError, UserError
from ...files import write_whole
from ..search import hslib
from ..search.plan import MAYBE, Plan, Term

# Changes with what a cached file holds.
_VERSION = 1
_FLAGS = hslib.DOTALL | hslib.MULTILINE


class RuleBase(NamedTuple):
    """The rules' relaxed patterns, and what to look for first: a log without any of it holds no match."""

    whole: hslib.Database
    sieve: hslib.Database | None
    # Each with whether it may stand in any case, and with the number under which to report it.
    texts: list[tuple[str, bool, int]]


def load(library: ctypes.CDLL, plan: Plan, cache: Path | None) -> RuleBase:
    """The plan's rules, from the cache if they have been compiled before.

    Raises:
        UserError: libhs does not take a rule.
    """
    if cache is None:
        return _compiled(library, plan)
    digest = hashlib.sha256(library.hs_version() + f"{_VERSION} {plan.digest}".encode()).hexdigest()[:32]
    path = cache / f"rules-{digest}.hsdb"
    try:
        # A database from elsewhere could make the library read beyond its bounds.
        trusted = path.stat().st_uid == os.geteuid() and not path.stat().st_mode & 0o022
        base = _from_bytes(library, path.read_bytes()) if trusted else None
    except (OSError, ValueError, KeyError):
        base = None
    if base is None:
        base = _compiled(library, plan)
        # A scan works as well without.
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(path, _to_bytes(base))
    return base


def _to_bytes(base: RuleBase) -> bytes:
    sieve = base.sieve.serialize() if base.sieve else b""
    head = json.dumps({"texts": base.texts, "sieve": len(sieve)}).encode()
    return head + b"\n" + sieve + base.whole.serialize()


def _from_bytes(library: ctypes.CDLL, data: bytes) -> RuleBase | None:
    """What _to_bytes() made; None when it is of another version or platform, or broken."""
    start = data.index(b"\n") + 1
    head = json.loads(data[:start])
    end = start + head["sieve"]
    sieve = hslib.Database.deserialize(library, data[start:end]) if end > start else None
    whole = hslib.Database.deserialize(library, data[end:])
    if whole is None or (end > start and sieve is None):
        return None
    return RuleBase(whole, sieve, [(text, caseless, number) for text, caseless, number in head["texts"]])


def _compiled(library: ctypes.CDLL, plan: Plan) -> RuleBase:
    looks = [(term, *term.first_look()) for term in plan.terms]
    # Texts with the same number take three times as long to compile.
    texts = {(text, term.literals.caseless): 0 for term, fixed, _sieve in looks for text in fixed}
    texts = {key: MAYBE + number for number, key in enumerate(texts, 1)}
    for term, fixed, _sieve in looks:
        # Rules that need the next records, too, must be known at once.
        if term.number in plan.multiline:
            texts |= {(text, term.literals.caseless): term.number for text in fixed}
    sieve = [term._replace(expression=sieve, number=MAYBE) for term, _fixed, sieve in looks if sieve]
    return RuleBase(
        _database(library, plan.terms),
        _database(library, sieve) if sieve else None,
        [(text, caseless, number) for (text, caseless), number in texts.items()],
    )


def _database(library: ctypes.CDLL, terms: list[Term]) -> hslib.Database:
    patterns = [hslib.Pattern(term.expression.encode(), _FLAGS, term.number) for term in terms]
    try:
        return hslib.Database.compile(library, patterns)
    except PatternRefusedError as error:
        name = terms[error.index].owner if error.index >= 0 else "set as a whole"
        raise UserError(f"rules: libhs does not take the rule {name!r}: {error}")
