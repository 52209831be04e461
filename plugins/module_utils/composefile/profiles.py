# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services that are only there when a profile is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class LeftOut:
    """What the files have beyond what is asked for."""

    asked: Sequence[str] = ()
    """The profiles that are."""
    services: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Compose's names of those that are left out, each with its profiles."""

    def line(self, *services: str) -> str:
        """What brings some of them, or all, beside what is asked for."""
        wanted = [profile for name in services for profile in self.services[name][:1]]
        wanted = wanted or [profile for profiles in self.services.values() for profile in profiles]
        return f"profiles: [{', '.join(dict.fromkeys((*self.asked, *wanted)))}]"

    def why(self, service: str) -> str:
        """Why one is not there, with the name of its profile; empty for one that is of none."""
        profiles = self.services.get(service)
        return f"{service} is of the profile {' or '.join(profiles)}, which is not asked for" if profiles else ""


def left_out_of(answer: Mapping[str, Any], whole: Mapping[str, Any], asked: Sequence[str]) -> LeftOut:
    """What of a whole project is not in what was asked for."""
    there = answer.get("services") or {}
    out = {n: list(s.get("profiles") or []) for n, s in (whole.get("services") or {}).items() if n not in there}
    return LeftOut(asked, out)
