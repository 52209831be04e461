# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a scan found: counted by secret and place, never with the secret's bytes."""

from __future__ import annotations

import hmac
import threading
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from .logs.records import Record
from .matches import Match
from .redact import Redactor

# Different secrets of one severity in one source that are kept apart; beyond that, they are only counted.
_MOST_KEPT = 1000


class Finding(NamedTuple):
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
    count: int = 1  # type: ignore[assignment]
    last_time: str = ""
    verified: bool | None = None
    new: bool = True
    # The file it was found in, for the state; and for other parts of the collection to hide, what was found.
    origin: str = ""
    secret: str = ""

    def public(self) -> dict[str, Any]:
        """The finding as plain data, safe to show."""
        data = self.stored()
        del data["origin"]
        return data

    def stored(self) -> dict[str, Any]:
        """The finding for the state file: as shown, and the file it was found in."""
        data = self._asdict()
        del data["secret"]
        return data

    def __repr__(self) -> str:
        """Without the secret, so that no traceback shows it."""
        return f"Finding({self.public()})"


class _Seen:
    """A secret in a source while the logs are read: how often, and where first."""

    __slots__ = ("count", "excerpt", "last_time", "match", "offset", "origin", "record")

    def __init__(self, match: Match, record: Record, offset: int, origin: str) -> None:
        self.count = 1
        self.last_time = record.time
        self.begins(match, record, offset, origin)

    def begins(self, match: Match, record: Record, offset: int, origin: str) -> None:
        """The earliest record so far; long ones need not be kept."""
        self.offset, self.origin = offset, origin
        self.excerpt = _excerpt(match)
        self.match, self.record = match._replace(text=""), record._replace(text="")


class Collector:
    """Gathers findings from all threads."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._lock = threading.Lock()
        # By source, title and secret.
        self._seen: dict[tuple[str, str, str], _Seen] = {}
        self._kept: Counter[tuple[str, str]] = Counter()
        self.uncounted = 0
        self.redactor = Redactor()

    def fingerprint(self, secret: str) -> str:
        """Names a secret without telling it: only who has the key can check a guess."""
        return hmac.digest(self._key, secret.encode("utf-8", "replace"), "sha256").hex()[:24]

    def add(self, match: Match, record: Record, source: str, offset: int, origin: str = "") -> None:
        """Count a match; the earliest record of a secret is the one described."""
        with self._lock:
            # The secret itself is the key: cheaper than its fingerprint, and it stays in memory.
            key = (source, match.title, match.secret)
            seen = self._seen.get(key)
            if seen is not None:
                seen.count += 1
                seen.last_time = max(seen.last_time, record.time)
                if offset < seen.offset:
                    seen.begins(match, record, offset, origin)
            elif self._kept[source, match.severity] >= _MOST_KEPT:
                self.uncounted += 1
            else:
                self._kept[source, match.severity] += 1
                self._seen[key] = _Seen(match, record, offset, origin)

    def results(self) -> list[Finding]:
        """All findings, gravest first, with the lines redacted against every secret found."""
        for _source, _title, secret in self._seen:
            self.redactor.learn(secret)
        return by_gravity(self._finding(source, seen) for (source, _title, _secret), seen in self._seen.items())

    def _finding(self, source: str, seen: _Seen) -> Finding:
        match, record = seen.match, seen.record
        return Finding(
            match.rule,
            match.title,
            match.severity,
            source,
            record.stream,
            record.time,
            seen.offset,
            self.redactor.line(*seen.excerpt),
            self.fingerprint(match.secret),
            seen.count,
            seen.last_time,
            match.verified,
            origin=seen.origin,
            secret=match.secret,
        )


def by_gravity(findings: Iterable[Finding]) -> list[Finding]:
    """The gravest first, then by place."""
    order = {"high": 0, "medium": 1, "low": 2}
    return sorted(findings, key=lambda f: (order[f.severity], f.source, f.offset, f.rule, f.fingerprint))


def _excerpt(match: Match) -> tuple[str, int, int]:
    """The text before a secret, so that long records need not be kept."""
    first = max(0, match.start - 80)
    return match.text[first : match.start], match.start - first, match.end - first
