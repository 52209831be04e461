# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has been asked of the CA for a stack, and whether it may be asked again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from .acme import Refusal

# Let's Encrypt allows five failed checks an hour for a name; leave some to the user's own attempts.
_FAILURES_AN_HOUR = 3
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Attempts:
    issued: dict[str, Any] = field(default_factory=dict)
    """What the certificate in hand was asked for as; empty for none."""
    failures: tuple[str, ...] = ()
    """When attempts of the last hour failed."""
    reason: str = ""
    """Why the last attempt failed; empty when it did not."""
    not_before: str = ""
    """The CA does not want to be asked again sooner."""

    def succeeded(self, issued: dict[str, Any]) -> Attempts:
        return Attempts(issued=issued)

    def failed(self, why: Refusal, now: datetime) -> Attempts:
        recent = [t for t in self.failures if now - datetime.fromisoformat(t) < _HOUR]
        return replace(
            self,
            failures=(*recent, now.isoformat()),
            reason=why.reason,
            not_before=why.retry_after.isoformat() if why.retry_after else "",
        )

    def blocked_until(self, now: datetime) -> datetime | None:
        """When the CA may be asked again; `None` for now."""
        waits = [datetime.fromisoformat(self.not_before)] if self.not_before else []
        recent = sorted(datetime.fromisoformat(t) for t in self.failures)
        recent = [t for t in recent if now - t < _HOUR]
        if len(recent) >= _FAILURES_AN_HOUR:
            waits.append(recent[-_FAILURES_AN_HOUR] + _HOUR)
        until = max(waits, default=now)
        return until if until > now else None


def load(root: Path, stack: str) -> Attempts:
    path = _path(root, stack)
    if not path.exists():
        return Attempts()
    values = json.loads(path.read_text())
    return Attempts(**{**values, "failures": tuple(values["failures"])})


def save(root: Path, stack: str, attempts: Attempts) -> None:
    path = _path(root, stack)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(attempts), indent=1))
    draft.replace(path)


def now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


def _path(root: Path, stack: str) -> Path:
    return root / "attempts" / f"{stack}.json"
