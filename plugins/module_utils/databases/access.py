# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a database is reached through: the seam between its kind and the release that needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ..stack import Stack


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
