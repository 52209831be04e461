# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a database is reached through: the seam between its kind and the release that needs it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Protocol

from ..errors import StepError
from ..stack import Stack

# Docker's status for a command that it failed to start, as an engine under load does now and then.
_NOT_STARTED = 128
_SCRATCH_START = 60

Opener = Callable[[], AbstractContextManager[BinaryIO]]
"""Opens a stream that a process can use: anew for each try."""


class Containers(Protocol):
    """The part of an engine that works inside containers."""

    def execute(self, container: str, command: Sequence[str], **streams: Any) -> int:
        """Run a command in a container, between files; its exit status."""

    def start_scratch(self, name: str, image: str, environment: Mapping[str, str]) -> None:
        """A container that nothing reaches and that goes when it stops."""

    def discard(self, name: str) -> None:
        """Remove a container and its volumes; nothing when there is none."""


class Access(Protocol):
    """Containers, a clock, and words that may be shown."""

    @property
    def stack(self) -> Stack:
        """Whose database it is."""

    @property
    def engine(self) -> Containers:
        """Where it runs."""

    @property
    def sleep(self) -> Callable[[float], None]:
        """Wait for so many seconds."""

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds of a clock that never jumps."""

    def redact(self, text: str) -> str:
        """A text without secrets, fit for a terminal."""


def execute(
    access: Access,
    container: str,
    script: str,
    *arguments: str,
    stdin: Opener | None = None,
    stdout: Opener | None = None,
) -> tuple[int, str]:
    """Run a shell script in a container; its exit status, and what it said on stderr, secrets and all."""
    command = ["sh", "-c", script, "sh", *arguments]
    for _ in range(2):
        with contextlib.ExitStack() as stack:
            streams = {name: stack.enter_context(o()) for name, o in (("stdin", stdin), ("stdout", stdout)) if o}
            said = stack.enter_context(tempfile.TemporaryFile())
            status = access.engine.execute(container, command, stderr=said, **streams)
            said.seek(0)
            text = said.read().decode(errors="replace").strip()
        if status != _NOT_STARTED:
            break
    return status, text


def complaint(access: Access, status: int, said: str) -> str:
    """What a script complained of, in a line that may be shown; empty for one that succeeded."""
    return access.redact((said.splitlines() or [f"exit status {status}"])[-1]) if status else ""


def ask(
    access: Access, container: str, script: str, *arguments: str, given: str = "", stdin: Opener | None = None
) -> str:
    """What a script prints.

    Args:
        given: What it reads; it stands on no command line and in no file that has a name.
        stdin: What it reads instead.

    Raises:
        StepError: It failed.
    """
    with tempfile.TemporaryFile() as out:

        @contextlib.contextmanager
        def fresh() -> Iterator[BinaryIO]:
            out.seek(0)
            out.truncate()
            yield out

        status, said = execute(access, container, script, *arguments, stdin=stdin or text_stream(given), stdout=fresh)
        if status:
            raise StepError(complaint(access, status, said))
        out.seek(0)
        return out.read().decode(errors="replace")


def text_stream(text: str) -> Opener:
    """A text as a stream."""

    @contextlib.contextmanager
    def opened() -> Iterator[BinaryIO]:
        with tempfile.TemporaryFile() as stream:
            stream.write(text.encode())
            stream.seek(0)
            yield stream

    return opened


def text_of(opener: Opener) -> str:
    """All of a stream that is small."""
    with opener() as stream:
        return stream.read().decode(errors="replace")


@contextlib.contextmanager
def scratch(access: Access, image: str, environment: Mapping[str, str], ready: str) -> Iterator[str]:
    """A database of its own with no network, empty, which is gone afterwards; yields the container's name.

    Args:
        ready: A script that succeeds once the database works.

    Raises:
        StepError: It is not ready in time.
    """
    name = f"{access.stack.name}-restore-scratch"
    access.engine.discard(name)
    access.engine.start_scratch(name, image, environment)
    try:
        begin = access.clock()
        while execute(access, name, ready)[0]:
            if access.clock() - begin > _SCRATCH_START:
                raise StepError(f"the scratch container {name} was not ready after {_SCRATCH_START} s")
            access.sleep(0.3)
        yield name
    finally:
        access.engine.discard(name)
