# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stack's scheduled jobs on its server: what they are, and what became of their runs."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from ..files import write_whole

_KEPT = 20


class Jobs:
    """What lies of them in the stack's directory."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "jobs.json"
        self._runs = directory / "jobs"

    def described(self) -> dict[str, dict[str, Any]]:
        """By name: service, command, schedule, timeout; none where there is no such file."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return dict(json.loads(self.file.read_text(encoding="utf-8"))["jobs"])
        return {}

    def note(self, name: str, run: dict[str, Any]) -> None:
        """Put a run on record; the newest are kept.

        Raises:
            OSError: It cannot be written.
        """
        self._runs.mkdir(mode=0o700, exist_ok=True)
        newest = [*self.runs(name), run][-_KEPT:]
        write_whole(self._runs / f"{name}.jsonl", "".join(f"{json.dumps(row, sort_keys=True)}\n" for row in newest))

    def runs(self, name: str) -> list[dict[str, Any]]:
        """Oldest first: `at` and `seconds`, `release`, `outcome`, and the end of the `output`, secrets masked."""
        with contextlib.suppress(OSError, ValueError):
            rows = (self._runs / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
            return [run for row in rows if isinstance(run := json.loads(row), dict)]
        return []
