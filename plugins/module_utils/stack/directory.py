# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stack's directory on the server: which release serves, the records, the journal of a running release."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ..errors import UserError
from ..files import write_whole
from .lines import append_line, read_lines
from .model import Colour

# Images of which is kept whether they can ask.
_ASKERS = 100
_KEY_BYTES = 32
_BUILD_LOG, _DESCRIPTION = "build.log", "release.json"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Deployed:
    """A release as it runs: its id and its colour."""

    release: str
    colour: Colour


@dataclass(frozen=True)
class Serving:
    """Who serves, and who is kept as the way back."""

    current: Deployed | None = None
    previous: Deployed | None = None


@dataclass(frozen=True)
class Journal:
    """How far a release or a rollback has come; on disk from its first change to its last."""

    operation: str
    target: Deployed
    before: Serving
    phase: str = "start"
    started: float = 0
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def beside(self) -> Deployed | None:
        """The release that served, where its project is another; none where the target takes its place."""
        current = self.before.current
        return current if current and current.colour != self.target.colour else None


class StackState:
    """The directory `<root>/<stack>`, readable by root alone."""

    def __init__(self, root: str, stack: str) -> None:
        self.directory = Path(root) / stack
        self.releases = self.directory / "releases"
        self.data = self.directory / "data"
        self.backups = self.directory / "backups"
        self.sources = self.directory / "sources"
        self.lock_file = self.directory / "lock"
        self.failure_log = self.directory / "failed.log"
        self.build_log = self.directory / _BUILD_LOG
        self.passwords_note = self.directory / "passwords.json"
        self.restore_note = self.directory / "restore.json"
        self._askers = self.directory / "askers.json"
        self._serving = self.directory / "serving.json"
        self._journal = self.directory / "journal.json"
        self._records = self.directory / "releases.jsonl"
        self._backups = self.directory / "backups.jsonl"
        self.key = self.directory / "key"
        self.of_record = (self._serving, self._journal, self._records, self.key)
        self.on_change: Callable[[], None] = lambda: None
        """Called once what is on record has changed; what it raises is trouble of whoever changed it."""

    def create(self) -> None:
        for directory in (self.directory, self.releases, self.data, self.backups):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def release_directory(self, release: str) -> Path:
        return self.releases / release

    def build_log_of(self, release: str) -> Path:
        return self.release_directory(release) / _BUILD_LOG

    @property
    def recorded(self) -> bool:
        """Whether a release of this collection ever served here."""
        return self._serving.exists()

    def serving(self) -> Serving:
        return self._read(self._serving, _serving) or Serving()

    def set_serving(self, serving: Serving) -> None:
        write_whole(self._serving, json.dumps(asdict(serving)) + "\n")
        self.on_change()

    def journal(self) -> Journal | None:
        return self._read(self._journal, _journal)

    def write_journal(self, journal: Journal) -> None:
        write_whole(self._journal, json.dumps(asdict(journal)) + "\n")
        self.on_change()

    def clear_journal(self) -> None:
        self._journal.unlink(missing_ok=True)
        self.on_change()

    def known_to_ask(self) -> dict[str, bool]:
        """By image id, whether its containers can send themselves a request; what is lost is found out again."""
        try:
            known = json.loads(self._askers.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def note_who_can_ask(self, new: Mapping[str, bool]) -> None:
        # A plan on a server that has no release yet leaves nothing behind.
        if self.directory.exists():
            newest = list({**self.known_to_ask(), **new}.items())[-_ASKERS:]
            # A full disk is told where a file is wanted.
            with contextlib.suppress(OSError):
                write_whole(self._askers, json.dumps(dict(newest)) + "\n")

    def append_record(self, record: dict[str, Any]) -> None:
        append_line(self._records, record)
        self.on_change()

    def append_backup(self, record: dict[str, Any]) -> None:
        """What was done about backups, and what became of it."""
        append_line(self._backups, record)

    def records(self) -> list[dict[str, Any]]:
        """Oldest first; lines that a crash cut off are left out."""
        return read_lines(self._records)

    def resting(self) -> str:
        """When somebody put the stack to rest; empty where nobody did, or it was woken or released since."""
        done = [record for record in self.records() if record.get("outcome") == "succeeded"]
        return str(done[-1].get("at", "")) if done and done[-1].get("operation") == "stop" else ""

    def backup_records(self) -> list[dict[str, Any]]:
        """As `records`."""
        return read_lines(self._backups)

    def fingerprints(self, values: Mapping[str, str]) -> dict[str, str]:
        """Keyed digests: they tell whether secrets changed, and give a guesser nothing to try against."""
        if self.key.exists():
            key = self.key.read_text(encoding="utf-8")
            if len(key) < _KEY_BYTES:
                raise UserError(
                    f"{self.key} is damaged, and whether secrets changed cannot be told: move it away and run again,"
                    " which releases anew"
                )
        else:
            key = secrets.token_hex(_KEY_BYTES)
            # A plan on a server that has no release yet leaves nothing behind.
            if self.directory.exists():
                write_whole(self.key, key)
        return {n: hmac.new(key.encode(), v.encode(), hashlib.sha256).hexdigest() for n, v in values.items()}

    def _read(self, path: Path, understand: Callable[[Any], _T]) -> _T | None:
        records = f"newest records: {self._records}"
        advice = f"see with docker ps which release runs ({records}), move the file away, and run again"
        return read_state(path, understand, advice)


def read_state(path: Path, understand: Callable[[Any], _T], advice: str) -> _T | None:
    """A state file; None where there is none.

    Args:
        understand: Makes of the file's JSON what it stands for; what is no such thing raises a KeyError, TypeError,
            AttributeError or ValueError.
        advice: What to do about a file that is lost.

    Raises:
        UserError: The file is empty, cut off, or of a form that this version does not know.
    """
    if not path.exists():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise UserError(f"{path} is empty or cut off, as a power failure leaves a file: {advice}.")
    try:
        return understand(value)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(
            f"{path} is of a form that this version of the collection does not know: run the newer version that"
            " wrote it."
        )


def write_description(directory: Path, content: Mapping[str, Any]) -> None:
    """What a project's directory says of itself: a release its stack and images, the data services their id."""
    write_whole(directory / _DESCRIPTION, json.dumps(content, indent=1, sort_keys=True) + "\n")


def read_description(directory: Path) -> dict[str, Any] | None:
    """What `write_description` wrote; None where there is nothing.

    Raises:
        UserError: It is empty, cut off, or of a form that this version does not know.
    """
    advice = "move the file away, and run again; there is no rollback to a release without it"
    return read_state(directory / _DESCRIPTION, _description, advice)


def _description(value: Any) -> dict[str, Any]:
    for key in ("id", "secrets") if "id" in value else ("description", "images"):
        if not isinstance(value[key], str if key == "id" else dict):
            raise TypeError(key)
    return dict(value)


def _journal(value: dict[str, Any]) -> Journal:
    target = Deployed(**value.pop("target"))
    return Journal(target=target, before=_serving(value.pop("before")), **value)


def _serving(value: dict[str, Any]) -> Serving:
    return Serving(**{k: Deployed(**v) if v else None for k, v in value.items()})
