# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every kind of database can do, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .access import Access, Opener
from .rows import Counter, Rows


class Passwords(Protocol):
    """How a server's own password is changed without the server ever seeing it."""

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables by which a service's container takes it."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Variables of which the container must have one, or it cannot be changed; none for no such condition."""

    def kept(self, access: Access, container: str) -> str:
        """What the server keeps of it; empty for none.

        Raises:
            StepError: It does not tell.
        """

    def keep(self, access: Access, container: str, kept: str) -> None:
        """Have the server keep this; empty for none.

        Raises:
            StepError: It refuses.
        """

    def made(self, password: str) -> str:
        """What a server would keep of a password."""

    def matches(self, kept: str, password: str) -> bool:
        """Whether the server would let this password in."""


class Kind(Protocol):
    """A dump is one stream or several, its parts; each is read to its end while it is written."""

    name: str
    passwords: Passwords | None

    def version(self, access: Access, container: str) -> str:
        """As the server calls it."""

    def parts(self, access: Access, container: str) -> list[str]:
        """Names of the streams that make up a dump of everything that the server holds."""

    def counter(self, part: str) -> Counter:
        """What counts a stream's rows, and knows its end."""

    def dump(self, access: Access, container: str, part: str, stdout: Opener) -> Rows:
        """Write a part; rows, where the server counts them itself.

        Raises:
            StepError: It failed.
        """

    def prove(self, access: Access, image: str, parts: Mapping[str, Opener]) -> Rows:
        """Restore into a scratch container of the same image; the rows that are there afterwards.

        Raises:
            StepError: The dump does not restore; nothing that runs was touched.
        """

    def restore(self, access: Access, container: str, parts: Mapping[str, Opener]) -> None:
        """Put the dump in the place of what the server holds.

        Raises:
            StepError: It failed.
        """
