# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of an old and a new container goes first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .findings import Findings, correction
from .form import replicas
from .kinds import Decided
from .mounts import Mounted, Tree
from .tables import SHARED_PLACES


@dataclass(frozen=True)
class Orders:
    """What tells whether two containers may write at once."""

    services: Mapping[str, Mapping[str, Any]]
    decided: Mapping[str, Decided]
    volumes: Mapping[str, Any]
    tree: Tree
    findings: Findings

    def of(self, name: str, mounted: Mounted, told: str) -> str:
        """`overlap`, `stop_first`, or nothing where the description's own answer holds."""
        decided = self.decided[name]
        if told or decided.kind in ("data", "job"):
            return told
        if decided.schedules:
            return "stop_first"
        alone = [source for source in mounted.writable if not self._shared(name, source, mounted)]
        if not alone:
            return "overlap" if mounted.writable else ""
        self.findings.note(
            f"services.{name}.volumes",
            f"{', '.join(alone)} can be written to: the old container stops before the new one starts, and it does not"
            " answer meanwhile",
            correction(name, "order: overlap") + ", where two may write at once",
        )
        return "stop_first"

    def _shared(self, name: str, source: str, mounted: Mounted) -> bool:
        """Whether several containers write there anyway, or to what people upload, which they can."""
        others = [n for n in self.services if n != name and self.decided[n].kind not in ("edge", "data", "job")]
        if replicas(self.services[name]) > 1 or any(self._mounts(self.services[n], source) for n in others):
            return True
        paths = [v["path"] for v in mounted.volumes if source in (v.get("name"), v["source"])]
        return any(SHARED_PLACES.fullmatch(path.rstrip("/").rpartition("/")[2].lower()) for path in paths)

    def _mounts(self, service: Mapping[str, Any], source: str) -> bool:
        for mount in service.get("volumes") or []:
            at = str(mount.get("source") or "")
            if mount.get("read_only") or not at:
                continue
            name = (self.volumes.get(at) or {}).get("name") or at
            if source in (name, at) or (mount["type"] == "bind" and self.tree.data_path(at) == source):
                return True
        return False
