# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has been asked of the CA for a stack, and whether it may be asked again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ..files import write_whole
from .acme import Refusal

# Let's Encrypt allows five failed checks an hour for a name; leave some to the user's own attempts.
_FAILURES_AN_HOUR = 3
_HOUR = timedelta(hours=1)
# No limit of a public CA lasts longer than a week.
_LONGEST_WAIT = timedelta(days=8)


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
        return replace(
            self,
            failures=(*(t.isoformat() for t in self._recent(now)), now.isoformat()),
            reason=why.reason,
            not_before=why.retry_after.isoformat() if why.retry_after else "",
        )

    def blocked_until(self, now: datetime) -> datetime | None:
        """When the CA may be asked again; `None` for now."""
        waits = [datetime.fromisoformat(self.not_before)] if self.not_before else []
        waits = [wait for wait in waits if wait - now <= _LONGEST_WAIT]
        recent = self._recent(now)
        if len(recent) >= _FAILURES_AN_HOUR:
            waits.append(recent[-_FAILURES_AN_HOUR] + _HOUR)
        until = max(waits, default=now)
        return until if until > now else None

    def _recent(self, now: datetime) -> list[datetime]:
        """Failures of the last hour; one of the future was noted by a clock that was wrong."""
        return sorted(t for t in map(datetime.fromisoformat, self.failures) if timedelta() <= now - t < _HOUR)


def load(root: Path, stack: str) -> Attempts:
    """What is noted; nothing, where no note can be read."""
    try:
        values = json.loads(_path(root, stack).read_text())
        read = Attempts(**{**values, "failures": tuple(values["failures"])})
        read.blocked_until(now())
        return read
    except (OSError, ValueError, TypeError, KeyError):
        return Attempts()


def save(root: Path, stack: str, attempts: Attempts) -> None:
    path = _path(root, stack)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(asdict(attempts), indent=1))


def now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


def _path(root: Path, stack: str) -> Path:
    return root / "attempts" / f"{stack}.json"
