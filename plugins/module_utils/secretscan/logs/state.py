# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a scan remembers for the next one: how far each log was read, and what is still open in it.

The file holds no secret and no log text: places, keyed digests and redacted findings. Its random key makes
the fingerprints, and tells a log file again after rotation renamed or zipped it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...files import write_whole

_VERSION = 1
# So much of a file's beginning tells it from every other: a record's time has nanoseconds.
HEAD = 512


class State:
    """The memory of earlier scans; without a path, one that is forgotten."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        data = _load(path) if path else {}
        self.is_kept = path is not None
        self.key = bytes.fromhex(data["key"]) if data else os.urandom(32)
        self._plan = str(data.get("plan", ""))
        self._sources: dict[str, dict[str, Any]] = data.get("sources", {})
        self._seen: dict[str, dict[str, Any]] = {}

    def digest(self, data: bytes) -> str:
        """Names bytes without telling them."""
        return hmac.new(self.key, data, hashlib.sha256).hexdigest()[:32]

    def bind(self, plan: str) -> None:
        """Start anew when rules or known values are not those of the last scan: old text may leak new secrets."""
        plan = self.digest(plan.encode("utf-8", "replace"))
        if plan != self._plan:
            self._sources = {}
        self._plan = plan

    def source(self, name: str) -> dict[str, Any]:
        """What is known of a source; empty at first."""
        return self._sources.get(name, {})

    def remember(self, name: str, data: dict[str, Any]) -> None:
        """Keep this for the next scan."""
        self._seen[name] = data

    def seen(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """For each source of this scan, what was known of it before and what is now."""
        return [(self._sources.get(name, {}), data) for name, data in self._seen.items()]

    def save(self) -> None:
        """Write the state, whole or not at all, readable by its owner only.

        Raises:
            UserError: The file cannot be written.
        """
        if self._path is None:
            return
        data = {"version": _VERSION, "key": self.key.hex(), "plan": self._plan}
        # Sources of another call with the same file stay; what grew old there is found out by that call.
        data["sources"] = {**self._sources, **self._seen}
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._path, json.dumps(data))
        except OSError as error:
            raise UserError(f"state_file: cannot write {self._path}: {error.strerror}")


def _load(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text())
        if data["version"] == _VERSION and len(bytes.fromhex(data["key"])) == 32:
            return dict(data)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"state_file: cannot read {path}: {error.strerror}")
    except (ValueError, KeyError, TypeError):
        pass
    # Broken or of another version: everything is read again, which is safe.
    return {}
