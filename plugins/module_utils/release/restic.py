# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""restic as a command: the repository's address, its password and the store's keys stand in its environment alone."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlsplit

from ..errors import StepError
from ..secretvalues.terminal import fit_for_terminal
from ..secretvalues.values import redact

_CACHE = "/var/cache/restic"
# restic tries for a quarter of an hour to reach a store that does not answer.
_OPEN = 60
_LONGEST = 24 * 3600
_ABSENT = re.compile(
    r"repository does not exist|(config/?>?|bucket|key) does not exist|no such file|file does not exist|NoSuchKey", re.I
)
_SETTING = "compose_stack_backup_repository"


@dataclass(frozen=True)
class Repository:
    """Where backups go beside the server's own disk, and how."""

    url: str
    password: str
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the store asks for, such as AWS_ACCESS_KEY_ID."""
    upload_limit: int = 0
    """KiB a second; 0 for none."""
    append_only: bool = False
    """Nothing is removed from here."""
    keep: Mapping[str, Any] = field(default_factory=dict)
    """restic's policy: last, hourly, daily, weekly, monthly, yearly: a number; within: a duration."""

    @property
    def secrets(self) -> list[str]:
        address = urlsplit(self.url.partition(":")[2])
        return [v for v in (self.password, *self.environment.values(), address.password or "") if v]


class Restic:
    """A repository that is reached through the restic command."""

    def __init__(self, repository: Repository, inherit: Sequence[int] = (), command: str = "restic") -> None:
        self.repository, self._inherit, self._command = repository, tuple(inherit), command

    def open(self) -> None:
        """Make sure that backups can go there; a repository that does not exist yet is made.

        Raises:
            StepError: It does not answer, or not to this password.
        """
        try:
            self.ask("cat", "config", timeout=_OPEN)
        except StepError as trouble:
            if not _ABSENT.search(trouble.log):
                raise
            self.ask("init", timeout=_OPEN)

    def ask(
        self, *arguments: str, timeout: float = _LONGEST, cwd: Path | None = None, accept: Accept | None = None
    ) -> str:
        """What a command prints. A lock that a dead host left is removed once.

        Args:
            accept: Judges by status and complaints whether a failure is none.

        Raises:
            StepError: It failed; its log is all that was said.
        """
        for attempt in range(2):
            with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
                status = self._end(self.start(arguments, stdout=out, stderr=errors, cwd=cwd), timeout)
                out.seek(0)
                errors.seek(0)
                answer, said = out.read().decode(errors="replace"), errors.read().decode(errors="replace")
            if not status or (accept and accept(status, said)):
                return answer
            if attempt or not _locked(status, said):
                break
            self._unlock()
        raise self.trouble(status, said)

    def start(self, arguments: Sequence[str], cwd: Path | None = None, **streams: Any) -> subprocess.Popen[bytes]:
        """A command that runs, a day at most; the caller waits for it."""
        limit = [f"--limit-upload={self.repository.upload_limit}"] if self.repository.upload_limit else []
        # Neither what an operator's shell nor what systemd sets decides where a backup goes.
        plain = {k: v for k, v in os.environ.items() if not k.startswith("RESTIC_")}
        environment = {
            **plain,
            **self.repository.environment,
            "RESTIC_REPOSITORY": self.repository.url,
            "RESTIC_PASSWORD": self.repository.password,
            "RESTIC_CACHE_DIR": _CACHE,
            "RESTIC_PROGRESS_FPS": "0.001",
            "TZ": "UTC",
        }
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **streams}
        try:
            process = subprocess.Popen(
                [self._command, *limit, *arguments], cwd=cwd, env=environment, pass_fds=self._inherit, **quiet
            )
        except FileNotFoundError:
            raise StepError("there is no restic command on this server", advice="Run the play, which installs it.")
        # Whoever waits for it, to read, to write or to end, does not wait for ever with the stack's lock.
        deadline = threading.Timer(_LONGEST, process.kill)
        deadline.daemon = True
        deadline.start()
        return process

    def snapshots(self, *tags: str) -> list[dict[str, Any]]:
        """Those that carry all of the tags, oldest first."""
        found: list[dict[str, Any]] = json.loads(self.ask("snapshots", "--json", "--tag", ",".join(tags)) or "[]") or []
        return sorted(found, key=lambda snapshot: snapshot["time"])

    @contextmanager
    def reading(self, snapshot: str, name: str) -> Iterator[IO[bytes]]:
        """A file of a snapshot as a stream; all of it has come when the context ends well."""
        with tempfile.TemporaryFile() as errors:
            process = self.start(["dump", snapshot, f"/{name}"], stdout=subprocess.PIPE, stderr=errors)
            output = cast(IO[bytes], process.stdout)
            try:
                yield output
            finally:
                output.close()
                status = self._end(process, _OPEN)
            errors.seek(0)
            if status:
                raise self.trouble(status, errors.read().decode(errors="replace"))

    def trouble(self, status: int, said: str) -> StepError:
        """One clear message for what restic complained of."""
        text = fit_for_terminal(redact(said, self.repository.secrets)).strip()
        for there, cause, advice in _CAUSES:
            if there(status, text):
                return StepError(cause, text, advice)
        lines = [line for line in map(_plain, text.splitlines()) if line]
        fatal = next(
            (line for line in lines if line.startswith("Fatal: ")), (lines or [f"it ended with status {status}"])[-1]
        )
        return StepError(f"restic: {fatal.removeprefix('Fatal: ')}", text)

    def _unlock(self) -> None:
        """Locks of processes that ended, and those older than half an hour: restic knows which."""
        process = self.start(["unlock"], stderr=subprocess.DEVNULL)
        self._end(process, _OPEN)

    def _end(self, process: subprocess.Popen[bytes], timeout: float) -> int:
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.terminate()
            begin = time.monotonic()
            while process.poll() is None and time.monotonic() - begin < 10:
                time.sleep(0.1)
            process.kill()
            process.wait()
            return _TOO_LONG


Accept = Callable[[int, str], bool]
_TOO_LONG = 124


def _locked(status: int, said: str) -> bool:
    return status == 11 or "unable to create lock" in said or "already locked" in said


def _plain(line: str) -> str:
    """A complaint without its form as JSON."""
    try:
        told = json.loads(line)
    except ValueError:
        return line.strip()
    if not isinstance(told, dict):
        return ""
    error = told.get("error")
    return str(told.get("message") or (error.get("message") if isinstance(error, dict) else "") or "")


_CAUSES: tuple[tuple[Accept, str, str], ...] = (
    (
        lambda status, said: "wrong password or no key" in said,
        "the password does not open the repository",
        "Give compose_stack_backup_password the password that the repository was made with.",
    ),
    (
        _locked,
        "the repository is locked, and not by a run that is known to have died",
        "Wait until the other run has ended; restic unlock removes locks that are older than half an hour.",
    ),
    (
        lambda status, said: (
            status in (_TOO_LONG, -signal.SIGKILL) or "connection refused" in said or "no such host" in said
        ),
        "the repository does not answer",
        f"See that the server reaches what {_SETTING} names; the last good backup is where it was.",
    ),
    (
        lambda status, said: "no space left" in said.lower(),
        "No space left on device: the repository's disk, or the server's, is full",
        "Make room, or keep fewer backups (compose_stack_backup_keep), and run again.",
    ),
)
