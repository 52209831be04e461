# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the site's clock is right, as far as the controller can tell."""

from __future__ import annotations

import time
from datetime import timezone
from email.utils import parsedate_to_datetime

from .model import Found, Target
from .wire import fetch

# A Date has whole seconds. Sign-ins by time (30 s) and tokens suffer first, then certificates and logs.
_SECONDS = 5
_SECONDS_FAIL = 60


def look(target: Target) -> Found:
    """By the Date of an answer, which was written between the question and its arrival."""
    asked = time.time()
    told = fetch(target, "/").headers.get("Date", "")
    arrived = time.time()
    try:
        date = parsedate_to_datetime(told).replace(tzinfo=timezone.utc).timestamp()
    except (TypeError, ValueError, OverflowError):
        return Found("skip", evidence=(f"its answer has no date to read: {told[:80]!r}",))
    ahead = max(date - arrived, 0) - max(asked - 1 - date, 0)
    off = abs(ahead)
    return Found(
        "fail" if off > _SECONDS_FAIL else "warn" if off > _SECONDS else "pass",
        measured=f"{off:.0f} s {'ahead' if ahead > 0 else 'behind'}" if off > _SECONDS else "they agree",
        limit=f"{_SECONDS} s",
        evidence=(f"the site says {told}",),
        advice=("compare both with a third: timedatectl on the host and on the controller",) if off > _SECONDS else (),
    )
