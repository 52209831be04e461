# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two ways to find the places worth a closer look: libhs, and plain Python where that is not installed.

Both answer the same question, so that the same findings follow: at which byte does a match of a plan's
relaxed patterns and literals end.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ...errors import UserError
from ..rules import rulebase
from . import hslib
from .hyperscan import LibhsEngine
from .plan import Hit, Plan
from .python_engine import PythonEngine


class Searcher(Protocol):
    """Searches one block after another, in one thread."""

    def search(self, block: bytearray, length: int) -> list[Hit]:
        """Hits as (end, number), in the order of their ends."""


class SearchEngine(Protocol):
    """A plan made ready to search."""

    name: str

    def searcher(self) -> Searcher:
        """A new searcher, for use in one thread."""


def make(plan: Plan, choice: str = "auto", cache: Path | None = None) -> SearchEngine:
    """The engine asked for; with auto, libhs where it is installed.

    Raises:
        UserError: libhs is asked for by name and is not there.
    """
    library = hslib.load() if choice in ("auto", "libhs") else None
    if library is not None:
        return LibhsEngine(library, plan, rulebase.load(library, plan, cache) if plan.rules else None)
    if choice == "libhs":
        raise UserError(
            "engine: libhs is not installed; install libhyperscan5 or libvectorscan5, or choose engine: auto"
        )
    return PythonEngine(plan)
