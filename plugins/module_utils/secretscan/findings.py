# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a scan found: counted by secret and place, never with the secret's bytes."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from .confirm import Match
from .records import Record
from .redact import Redactor

# Different secrets of one severity in one source that are kept apart; beyond that, they are only counted.
_MOST_KEPT = 1000


@dataclass
class Finding:
    """One secret in one source; the place is that of its first record."""

    rule: str
    title: str
    severity: str
    source: str
    stream: str
    time: str
    offset: int
    line: str
    fingerprint: str
    count: int = 1
    last_time: str = ""
    verified: bool | None = None
    new: bool = True
    origin: str = ""
    secret: str = field(default="", repr=False, compare=False)
    before: tuple[str, int, int] = field(default=("", 0, 0), repr=False, compare=False)

    def public(self) -> dict[str, Any]:
        """The finding as plain data, safe to show."""
        data = asdict(self)
        for private in ("secret", "before", "origin"):
            del data[private]
        return data

    def stored(self) -> dict[str, Any]:
        """The finding for the state file: as shown, and the file it was found in."""
        return {**self.public(), "origin": self.origin}


class Collector:
    """Gathers findings from all threads."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str, str], Finding] = {}
        self._kept: Counter[tuple[str, str]] = Counter()
        self.uncounted = 0
        self.redactor = Redactor()

    def fingerprint(self, secret: str) -> str:
        """Names a secret without telling it: only who has the key can check a guess."""
        return hmac.new(self._key, secret.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:24]

    def add(self, match: Match, record: Record, source: str, offset: int, origin: str = "") -> None:
        """Count a match; the earliest record of a secret is the one described."""
        with self._lock:
            # The secret itself is the key: cheaper than its fingerprint, and it stays in memory.
            key = (source, match.title, match.secret)
            known = self._found.get(key)
            if known is not None:
                known.count += 1
                known.last_time = max(known.last_time, record.time)
                if offset >= known.offset:
                    return
            elif self._kept[source, match.severity] >= _MOST_KEPT:
                self.uncounted += 1
                return
            else:
                self._kept[source, match.severity] += 1
            self._found[key] = Finding(
                match.rule,
                match.title,
                match.severity,
                source,
                record.stream,
                record.time,
                offset,
                "",
                "",
                known.count if known else 1,
                known.last_time if known else record.time,
                match.verified,
                True,
                origin,
                match.secret,
                _excerpt(match),
            )

    def results(self) -> list[Finding]:
        """All findings, gravest first, with the lines redacted against every secret found."""
        findings = list(self._found.values())
        for finding in findings:
            self.redactor.learn(finding.secret)
        for finding in findings:
            finding.fingerprint = self.fingerprint(finding.secret)
            finding.line = self.redactor.line(*finding.before)
        return by_gravity(findings)


def by_gravity(findings: Iterable[Finding]) -> list[Finding]:
    """The gravest first, then by place."""
    order = {"high": 0, "medium": 1, "low": 2}
    return sorted(findings, key=lambda f: (order[f.severity], f.source, f.offset, f.rule, f.fingerprint))


def _excerpt(match: Match) -> tuple[str, int, int]:
    """The text before a secret, so that long records need not be kept."""
    first = max(0, match.start - 80)
    return match.text[first : match.start], match.start - first, match.end - first
