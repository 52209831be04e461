# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a record that was hit to the secrets in it: the exact rules, on what the record says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from typing import NamedTuple

from .known import KnownValues, Literal
from .logs import decode
from .rules.rules import TAIL, Rule
from .search.plan import KNOWN, NEAR, Plan

# A name that ends so holds a name, a number or a place, not a secret.
_HARMLESS_NAME = re.compile(
    r"(?i)(?:ids?|names?|types?|counts?|len|length|size|limit|ur[il]|path|file|policy|expir\w*|ttl|at|used|usage"
    r"|status|state|errors?|valid|version)$"
)
# The value under a name, when a rule takes any: up to what closes it.
_VALUE_END = re.compile(r"[\s\"'`<>,;|&(){}\[\]\\]")


# How much a rule knows of what it found: any value, a value under a vendor's name, a format, the value
# itself.
_ANY, _NAMED, _FORMAT, _KNOWN = range(4)


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
    rank: int = _ANY


# Logs repeat themselves: the records last judged, unless they are long.
_REMEMBERED = 4096
_LONGEST_REMEMBERED = 1024


class Confirmer:
    """Judges records by a plan."""

    def __init__(self, plan: Plan) -> None:
        self._judge = partial(_judge, plan)
        self._judged_before = lru_cache(_REMEMBERED)(self._judge)

    def confirm(self, text: str, numbers: Iterable[int]) -> list[Match]:
        """The secrets in a record that was hit under these numbers, the most telling first, each once."""
        judge = self._judged_before if len(text) <= _LONGEST_REMEMBERED else self._judge
        return judge(text, frozenset(numbers))


def _judge(plan: Plan, text: str, numbers: frozenset[int]) -> list[Match]:
    texts = _Texts(text)
    matches: list[Match] = []
    # The literals by which each secret was hit.
    secrets: dict[int, list[Literal]] = {}
    for number in sorted(numbers, reverse=True):
        if number >= KNOWN:
            literal = plan.literals[number - KNOWN]
            for secret in literal.secrets:
                secrets.setdefault(secret, []).append(literal)
        elif number < NEAR:
            matches.extend(_by_itself(texts, plan.rules[number]))
        elif number - NEAR < len(plan.near):
            word, rules = plan.near[number - NEAR]
            matches.extend(_assigned(texts, word, rules))
    for secret, literals in sorted(secrets.items()):
        match = _known(plan.known, secret, text, literals)
        if match:
            matches.append(match)
    return _without_overlaps(matches) if len(matches) > 1 else matches


def _known(known: KnownValues, secret: int, text: str, literals: list[Literal]) -> Match | None:
    plain = known.find(secret, text, literals)
    if plain is None:
        return None
    value = known.value_in(secret, plain)
    start = max(plain.find(value), 0)
    name = known.names[secret]
    # In an encoded form nobody can say where it begins: the whole text counts as secret.
    end = start + len(value) if value in plain else len(plain)
    return Match("known-value", f"Value of {name}", "high", value, plain, start, end, True, rank=_KNOWN)


class _Texts:
    """What a record says, escapes removed one after another, each step made only when asked for."""

    def __init__(self, text: str) -> None:
        self._made: list[str] = []
        self._rest = decode.texts(text)

    def __iter__(self) -> Iterator[str]:
        yield from self._made
        for text in self._rest:
            self._made.append(text)
            yield text


def _by_itself(texts: _Texts, rule: Rule) -> list[Match]:
    """The places where a rule's own format stands, in the first text that has it."""
    group = "secret" if rule.has_group else 0
    rank = _NAMED if rule.judge else _FORMAT
    for text in texts:
        matches = [
            _match(rule, found[group], text, found.start(group), found.end(group), rank)
            for found in rule.matches(text)
            if found[group] and rule.accepts(found[group])
        ]
        if matches:
            return matches
    return []


def _assigned(texts: _Texts, word: str, rules: tuple[Rule, ...]) -> list[Match]:
    """The values assigned to a name that holds the word, judged by each of its rules."""
    for text in texts:
        matches: list[Match] = []
        for rest, start in _names(text, word):
            for rule in rules:
                if rule.judge and _HARMLESS_NAME.search(rest):
                    continue
                match = _value(text, start, rule)
                if match:
                    matches.append(match)
                    break
        if matches:
            return matches
    return []


def _names(text: str, word: str) -> Iterator[tuple[str, int]]:
    """Where a name that holds the word is given a value: what follows the word in it, and the value's place."""
    lower = text.lower()
    if len(lower) != len(text):
        # A letter whose small form is two characters; no word holds one.
        lower = "".join(char.lower() if char.isascii() else char for char in text)
    place = lower.find(word)
    while place >= 0:
        after = place + len(word)
        tail = TAIL.match(text, after)
        if tail:
            yield tail["rest"], tail.end()
            after = tail.end()
        place = lower.find(word, after)


def _value(text: str, start: int, rule: Rule) -> Match | None:
    if rule.judge:
        stop = _VALUE_END.search(text, start)
        end = stop.start() if stop else len(text)
        secret = text[start:end].rstrip(".:")
        end = start + len(secret)
    else:
        found = rule.exact.match(text, start)
        secret, end = (found[0], found.end()) if found else ("", start)
    if not secret or not rule.accepts(secret):
        return None
    return _match(rule, secret, text, start, end, _ANY if rule.judge else _NAMED)


def _match(rule: Rule, secret: str, text: str, start: int, end: int, rank: int) -> Match:
    verified = rule.is_verified(secret)
    # A checksum that is wrong makes a sample or a typing error more likely than a live token.
    severity = "medium" if verified is False and rule.severity == "high" else rule.severity
    return Match(rule.id, rule.title, severity, secret, text, start, end, verified, rank)


def _without_overlaps(matches: list[Match]) -> list[Match]:
    """Of several rules that found the same secret, the one that knows most about it."""
    kept: list[Match] = []
    for match in sorted(matches, key=lambda m: (-m.rank, -len(m.secret))):
        # Two known values may be the same or hold each other; both names are worth knowing.
        if match.rank == _KNOWN or not any(
            match.secret in other.secret or other.secret in match.secret for other in kept
        ):
            kept.append(match)
    return kept
