# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a record that was hit to the secrets in it: the exact rules, on what the record says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from typing import NamedTuple

from . import keys
from .known import KnownValues, Literal
from .logs import decode
from .rules.rules import TAIL, Rule
from .search.plan import KNOWN, NEAR, Plan

# A name that ends so holds a name, a number or a place, not a secret.
_HARMLESS_NAME = re.compile(
    r"(?i)(?:ids?|names?|types?|counts?|len|length|size|limit|ur[il]|path|file|policy|expir\w*|ttl|at|used|usage"
    r"|status|state|errors?|valid|version|encryption|algorithm|alg|method|scheme|format|mode|strategy|provider"
    r"|endpoint|arn|regex|strength|required|enabled|iz(?:e|er|ers|ation)|bucket)$"
)
# Under a vendor's name, too, these hold what only looks random.
_HARMLESS_ID = re.compile(
    r"(?i)(?:(?:trace|span|request|req|correlation|session|transaction|event|job|build|commit|image|message)[_. -]?id"
    r"|trace|span|digest|checksum|etag|commit|sha(?:1|256)?|md5|revision)$"
)
# What stands before a name in a variable that has to be set, and in a place at AWS.
_VARIABLE = re.compile(r"\$\{[\w.-]{0,60}$")
_PLACE = re.compile(r"\barn:aws[\w.:/-]{0,60}$")
_TEMPLATE = ("{{", "${", "$(", "#{", "%{", "<%")
# No password or token under a name is longer; what is has a rule of its own.
_LONGEST_VALUE = 512
# Names so short stand in random texts by chance, unless they begin where a part of a name does.
_SHORT_WORD = 4
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

    def confirm(
        self, text: str, numbers: Iterable[int], before: tuple[str, ...] = (), after: tuple[str, ...] = ()
    ) -> list[Match]:
        """The secrets in a record that was hit under these numbers, the most telling first, each once.

        Args:
            text: What the record says.
            numbers: Under which it was hit.
            before: What the records before it say, if a secret may begin there.
            after: The same of those after it.
        """
        judge = self._judged_before if len(text) <= _LONGEST_REMEMBERED else self._judge
        return judge(text, frozenset(numbers), before, after)


def _judge(
    plan: Plan, text: str, numbers: frozenset[int], before: tuple[str, ...], after: tuple[str, ...]
) -> list[Match]:
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
            rule = plan.rules[number]
            matches.extend(_over_lines(texts, after, rule) if rule.multiline else _by_itself(texts, rule))
        elif number - NEAR < len(plan.near):
            word, rules = plan.near[number - NEAR]
            matches.extend(_assigned(texts, word, rules))
    for secret, literals in sorted(secrets.items()):
        match = _known(plan.known, secret, [*before, text, *after], len(before), literals)
        if match:
            matches.append(match)
    return _without_overlaps(matches) if len(matches) > 1 else matches


def _known(known: KnownValues, secret: int, lines: list[str], here: int, literals: list[Literal]) -> Match | None:
    plain = known.find(secret, lines, here, literals)
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


def _over_lines(texts: _Texts, after: tuple[str, ...], rule: Rule) -> list[Match]:
    """As by itself, or going on in the next records."""
    for text in keys.together(next(iter(texts)), after):
        if matches := _by_itself([text], rule):
            return matches
    return _by_itself(texts, rule)


def _by_itself(texts: Iterable[str], rule: Rule) -> list[Match]:
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
                if (_HARMLESS_NAME if rule.judge else _HARMLESS_ID).search(rest):
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
        tail = TAIL.match(text, after) if len(word) > _SHORT_WORD or _begins_part(text, place) else None
        if tail:
            after = tail.end()
            again = text[place:after]
            if not text.startswith(again, after):
                if not _is_reference(text, place, tail):
                    yield tail["rest"], after
            else:
                # Only the last of a name's repetitions has a value.
                while text.startswith(again * 64, after):
                    after += 64 * len(again)
                while text.startswith(again * 2, after):
                    after += len(again)
        place = lower.find(word, after)


def _begins_part(text: str, place: int) -> bool:
    """Whether a part of a name begins here: after what is no letter or digit, as a hump, or all in capitals."""
    if place == 0 or not text[place - 1].isalnum():
        return True
    before, here = text[place - 1], text[place : place + 2]
    return before.isalpha() and here[0].isupper() and (before.islower() or here.isupper())


def _is_reference(text: str, place: int, tail: re.Match[str]) -> bool:
    """Whether a template stands where the value would, or the name is itself in one that demands a value."""
    value = tail.end()
    if any(opener in text[tail.end("rest") : value + 2] for opener in _TEMPLATE):
        return True
    before = text[max(0, place - 64) : place]
    if text[value : value + 1] == "?" and _VARIABLE.search(before):
        return True
    return "arn:" in before and bool(_PLACE.search(before))


def _value(text: str, start: int, rule: Rule) -> Match | None:
    if rule.judge:
        stop = _VALUE_END.search(text, start, start + _LONGEST_VALUE)
        end = stop.start() if stop else min(len(text), start + _LONGEST_VALUE)
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
