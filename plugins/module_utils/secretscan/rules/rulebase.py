# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules compiled for libhs, and their cache: what does not depend on any secret."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
from pathlib import Path

from ...errors import PatternRefusedError, UserError
from ...files import write_whole
from ..search import hslib
from ..search.plan import Plan

_FLAGS = hslib.DOTALL | hslib.MULTILINE


def load(library: ctypes.CDLL, plan: Plan, cache: Path | None) -> hslib.Database:
    """The plan's rules, from the cache if they have been compiled before.

    Raises:
        UserError: libhs does not take a rule.
    """
    if cache is None:
        return _compiled(library, plan)
    digest = hashlib.sha256(library.hs_version() + plan.digest.encode()).hexdigest()[:32]
    path = cache / f"rules-{digest}.hsdb"
    try:
        # A database from elsewhere could make the library read beyond its bounds.
        trusted = path.stat().st_uid == os.geteuid() and not path.stat().st_mode & 0o022
        # Of another version or platform, or broken, it is none.
        database = hslib.Database.deserialize(library, path.read_bytes()) if trusted else None
    except OSError:
        database = None
    if database is None:
        database = _compiled(library, plan)
        # A scan works as well without.
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(path, database.serialize())
    return database


def _compiled(library: ctypes.CDLL, plan: Plan) -> hslib.Database:
    patterns = [hslib.Pattern(term.expression.encode(), _FLAGS, term.number) for term in plan.terms]
    try:
        return hslib.Database.compile(library, patterns)
    except PatternRefusedError as error:
        name = plan.terms[error.index].owner if error.index >= 0 else "set as a whole"
        raise UserError(f"rules: libhs does not take the rule {name!r}: {error}")
