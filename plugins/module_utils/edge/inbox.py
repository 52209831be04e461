# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the swarm asks of this host's edge: requests that a job drops into the inbox, and their answers beside them."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import write_whole
from .engine import Run, run
from .store import Store
from .switch import certificate, known, status, switch

FOLDER = "inbox"
# Whoever asked has given up by then.
_STALE_SECONDS = 60
_MOST_BYTES = 1024 * 1024
_NOTES = "answered.json"

Action = Callable[[str, str], "dict[str, Any]"]


def answer_all(store: Store, runner: Run = run) -> None:
    """Answer every request that lies there, and those that come meanwhile."""
    folder = store.root / FOLDER
    with store.lock("inbox.lock"):
        while paths := list(folder.glob("*.request")):
            # What is left of an earlier one is then told that it is too late.
            for path in sorted(paths, key=_number, reverse=True):
                _answer(store, path, runner)
        for path in folder.iterdir():
            if _age(path) > _STALE_SECONDS:
                path.unlink(missing_ok=True)


def _answer(store: Store, path: Path, runner: Run) -> None:
    fresh, content = _age(path) < _STALE_SECONDS, _read(path)
    # First, so that one that kills this process is not met again.
    path.unlink(missing_ok=True)
    if not fresh or content is None:
        return
    try:
        kind, words = "answer", json.dumps(_do(store, content, runner))
    except (UserError, OSError) as error:
        kind, words = "refusal", " ".join(str(error).split())
    state = store.state()
    uid = state.edge.uid if state else path.parent.stat().st_uid
    write_whole(path.with_suffix(f".{kind}"), words, 0o600, (uid, uid))


def _do(store: Store, content: bytes, runner: Run) -> dict[str, Any]:
    try:
        request = json.loads(content)
        verb, stack, number, body = (request[key] for key in ("verb", "stack", "number", "body"))
        action = _actions(store, runner)[verb]
        if not (isinstance(stack, str) and isinstance(number, int) and isinstance(body, str)):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise UserError("the request is not understood; do all edges have the same version of the collection?")
    if verb in _ASKED_ONLY:
        return action(stack, body)
    known(store, stack)
    _in_order(store, f"{verb} {stack}", number)
    return action(stack, body)


_ASKED_ONLY = ("status", "certificate")


def _actions(store: Store, runner: Run) -> dict[str, Action]:
    from .brought import receive

    return {
        "status": lambda stack, body: status(store, stack),
        "certificate": lambda stack, body: certificate(store, stack),
        "to": lambda stack, body: switch(store, stack, body, runner),
        "bring": lambda stack, body: receive(store, stack, body, runner),
    }


def _in_order(store: Store, kind: str, number: int) -> None:
    """What is older than what was done before is not done any more; the same may be done again.

    Raises:
        UserError: It is older.
    """
    path = store.root / _NOTES
    try:
        noted = json.loads(path.read_text())
        last = int(noted[kind])
    except (OSError, ValueError, KeyError, TypeError):
        noted, last = {}, 0
    if number < last:
        raise UserError("a later request came before this one, which is not done any more.")
    if number > last:
        kept = noted if isinstance(noted, dict) else {}
        write_whole(path, json.dumps({**kept, kind: number}))


def _number(path: Path) -> int:
    try:
        return int(json.loads(_read(path) or b"{}")["number"])
    except (ValueError, KeyError, TypeError):
        return 0


def _read(path: Path) -> bytes | None:
    """The inbox is not root's, so that what lies there is not trusted to be a plain file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file, contextlib.suppress(OSError):
        content = file.read(_MOST_BYTES + 1)
        return content if len(content) <= _MOST_BYTES else None
    return None


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0
