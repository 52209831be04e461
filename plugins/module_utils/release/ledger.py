# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is on record of a stack, kept in the swarm: whichever manager a run goes by finds it, and goes on from there.

The stack's directory on the node stays what a release reads and writes. Each change of it is a ledger in the swarm: a
config with a number in its name, so that of two nodes that would go on from the same one, the later is refused. What
holds secrets lies in secrets, which the ledger names: a release's files once, under a digest.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import EngineError, FasterError, UserError
from ..files import write_whole
from ..stack.directory import StackState
from .bundles import digest_of, pack, unpack
from .shelf import Note, Shelf

_LABEL = "deploy.sluice.ledger"
_KEPT = "deploy.sluice.kept"
# Of what a swarm takes as one secret, and of records in a config that holds more than them.
_PART, _RECORDS = 480_000, 250_000


class Ledger:
    """The record of one stack, in the swarm and on this node."""

    def __init__(
        self, shelf: Shelf, state: StackState, pinned: bool, may_write: Callable[[], None] = lambda: None
    ) -> None:
        """
        Args:
            pinned: Whether the stack has data that lies on one node.
            may_write: Raises an EngineError once another run has taken over.
        """
        self._shelf, self._state, self._pinned, self._may_write = shelf, state, pinned, may_write
        self._stack, self._host = state.directory.name, socket.gethostname()
        self._note = state.directory / "swarm.json"
        self._number, self._text = self._known(), ""
        self.home = ""
        """The node on which the stack's data is; empty for none."""

    def open(self) -> bool:
        """This node knows what the swarm does; whether it did not before.

        Raises:
            EngineError: The swarm does not tell.
        """
        found = self._newest()
        if not found:
            if self._state.recorded:
                self.keep()
            return False
        number, told = _number(found), self._parsed(found)
        self.home = str(told["home"])
        restored = number > self._number
        if restored:
            self._restore(told)
            write_whole(self._note, json.dumps({"number": number}))
        self._number, self._text = max(number, self._number), found.text
        return restored

    def keep(self) -> None:
        """The swarm knows what this node does.

        Raises:
            EngineError: It does not, or another node has gone on meanwhile.
        """
        self._may_write()
        known, bundles = self._shelf.secrets(f"{_KEPT}={self._stack}"), {}
        for place in self._places():
            bundles[str(place.relative_to(self._state.directory))] = names = self._names(place)
            if not known.issuperset(names):
                self._hide(place, names, known)
        if self._pinned and not self.home:
            self.home = self._host
        told = {"home": self.home if self._pinned else "", "files": self._files(), "bundles": bundles}
        text = json.dumps(told, sort_keys=True)
        if text != self._text:
            self._write(text)
        if not self._state.journal():
            self._shelf.forget(known - {name for names in bundles.values() for name in names})

    def settle(self) -> None:
        """What the run has tidied away on this node leaves the swarm as well."""
        if self._state.recorded:
            # It has done what it was for, and the next one does this.
            with contextlib.suppress(EngineError, OSError):
                self.keep()

    def clear(self, data_stays: bool) -> None:
        """The swarm knows no more of the stack than where its data is, if that stays."""
        if self.home and (data_stays or self.home != self._host):
            self._write(json.dumps({"home": self.home, "files": {}, "bundles": {}}))
        else:
            for note in self._notes():
                self._shelf.drop(note)
        self._shelf.forget(self._shelf.secrets(f"{_KEPT}={self._stack}"))

    def _write(self, text: str) -> None:
        former = self._notes()
        mine = self._number + 1
        try:
            self._shelf.write(f"sluice-ledger-{self._stack}-{mine:x}", {_LABEL: self._stack}, text)
            faster = max(map(_number, self._notes()), default=mine) > mine
        except FasterError:
            faster = True
        if faster:
            raise EngineError("another manager has gone on with the stack since this run began; run again")
        self._number, self._text = mine, text
        # A stack that is gone has no directory any more.
        if self._state.directory.is_dir():
            write_whole(self._note, json.dumps({"number": mine}))
        for note in former:
            self._shelf.drop(note)

    def _files(self) -> dict[str, str]:
        """The small files that say what serves and what is going on, as they stand."""
        found = {path.name: path.read_text(encoding="utf-8") for path in self._state.of_record if path.exists()}
        found.pop(self._state.key.name, None)
        return {name: text if name != _records(self._state) else _last(text) for name, text in found.items()}

    def _places(self) -> list[Path]:
        """What holds secrets, and is not of data that stays where it is: releases, and the key of fingerprints."""
        places = [self._state.key, *sorted(self._state.releases.glob("[!.]*"))]
        return [place for place in places if place.is_file() or (place.is_dir() and any(place.iterdir()))]

    def _names(self, place: Path) -> list[str]:
        content = pack(place)
        digest = digest_of(self._stack, content)
        count = -(-len(content) // _PART)
        return [f"sluice-kept-{self._stack}-{digest}-{part}" for part in range(count)]

    def _hide(self, place: Path, names: list[str], known: set[str]) -> None:
        content = pack(place)
        for part, name in enumerate(names):
            if name not in known:
                with contextlib.suppress(FasterError):
                    self._shelf.hide(name, {_KEPT: self._stack}, content[part * _PART : (part + 1) * _PART])

    def _restore(self, told: dict[str, Any]) -> None:
        top, bundles = self._state.directory, {Path(place): names for place, names in told["bundles"].items()}
        wanted = {
            place: names
            for place, names in bundles.items()
            if not (top / place).exists() or self._names(top / place) != names
        }
        shown = self._shelf.show(sorted({name for names in wanted.values() for name in names}))
        for place, names in wanted.items():
            unpack(b"".join(shown[name] for name in names), top / place)
        for path in self._state.of_record:
            if path == self._state.key:
                continue
            text = told["files"].get(path.name)
            if text is None:
                path.unlink(missing_ok=True)
            elif path.name == _records(self._state):
                own = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
                write_whole(path, "".join(f"{line}\n" for line in dict.fromkeys([*own, *text.splitlines()])))
            else:
                write_whole(path, text)

    def _notes(self) -> list[Note]:
        return [note for note in self._shelf.notes(f"{_LABEL}={self._stack}") if note.labels[_LABEL] == self._stack]

    def _newest(self) -> Note | None:
        return max(self._notes(), key=_number, default=None)

    def _known(self) -> int:
        try:
            return int(json.loads(self._note.read_text(encoding="utf-8"))["number"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _parsed(self, note: Note) -> dict[str, Any]:
        try:
            told = json.loads(note.text)
            if {"home", "files", "bundles"} <= told.keys():
                return dict(told)
        except (ValueError, AttributeError):
            pass
        raise UserError(
            f"the swarm's config {note.name} is of a form that this version of the collection does not know: run the"
            " newer version that wrote it."
        )


def _number(note: Note) -> int:
    return int(note.name.rpartition("-")[2], 16)


def _records(state: StackState) -> str:
    return state.of_record[2].name


def _last(text: str) -> str:
    """As many of the last lines as a config has room for."""
    lines = text.splitlines(keepends=True)
    while lines and sum(map(len, lines)) > _RECORDS:
        lines = lines[len(lines) // 2 :] if len(lines) > 1 else []
    return "".join(lines)
