# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a reading has to say: each with Compose's own key, and the line that settles it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Level = Literal["refused", "decide", "note"]


@dataclass(frozen=True)
class Finding:
    """One remark."""

    level: Level
    """`refused`: there is no release as long as the file says so. `decide`: there is none without a word of the user's.
    `note`: it was read in one of several ways."""
    key: str
    """Compose's own, such as `services.app.ports`."""
    text: str
    line: str = ""
    """What to add to the settings, or to the file."""

    def __str__(self) -> str:
        advice = f" Add: {self.line}" if self.line else ""
        return f"{self.key}: {self.text}.{advice}"


@dataclass
class Findings:
    """The remarks of one reading, in the order in which they were made."""

    all: list[Finding] = field(default_factory=list)
    dropped: dict[str, list[str]] = field(default_factory=dict)
    """By Compose's name of a service: keys of which nothing is left, and why."""

    def refuse(self, key: str, text: str, line: str = "") -> None:
        self._add("refused", key, text, line)

    def decide(self, key: str, text: str, line: str = "") -> None:
        self._add("decide", key, text, line)

    def note(self, key: str, text: str, line: str = "") -> None:
        self._add("note", key, text, line)

    def drop(self, service: str, key: str, why: str = "") -> None:
        self.dropped.setdefault(service, []).append(f"{key} ({why})" if why else key)

    def _add(self, level: Level, key: str, text: str, line: str) -> None:
        found = Finding(level, key, text, line)
        if found not in self.all:
            self.all.append(found)


def correction(service: str, setting: str) -> str:
    """The line that corrects how a service is read."""
    return f"stack_compose_services: {{{service}: {{{setting}}}}}"
