# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is found in a record, and which of several findings in the same place is kept."""

from __future__ import annotations

from typing import NamedTuple

from .rules.rules import Rule

# How much a rule knows of what it found: any value, a value under a vendor's name, a format, the value
# itself.
ANY, NAMED, FORMAT, CERTAIN = range(4)


class Match(NamedTuple):
    """A secret found. Holds its bytes: only redacted forms of it may leave the scan."""

    rule: str
    title: str
    severity: str
    secret: str
    text: str
    start: int
    end: int
    verified: bool | None = None
    rank: int = ANY


def of_rule(rule: Rule, secret: str, text: str, start: int, end: int, rank: int) -> Match:
    """What a rule found, as severe as its checksum says."""
    verified = rule.is_verified(secret)
    # A checksum that is wrong makes a sample or a typing error more likely than a live token.
    severity = "medium" if verified is False and rule.severity == "high" else rule.severity
    return Match(rule.id, rule.title, severity, secret, text, start, end, verified, rank)


def without_overlaps(matches: list[Match]) -> list[Match]:
    """Of several rules that found the same secret, the one that knows most about it."""
    kept: list[Match] = []
    for match in sorted(matches, key=lambda m: (-m.rank, -len(m.secret))):
        # Two known values may be the same or hold each other; both names are worth knowing.
        if match.rank == CERTAIN or not any(
            match.secret in other.secret or other.secret in match.secret for other in kept
        ):
            kept.append(match)
    return kept
