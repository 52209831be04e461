# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a record that was hit to the secrets in it: the exact rules, on what the record says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache, partial

from . import keys
from .known import KnownValues, Literal
from .logs import decode
from .logs.records import NOTHING_AROUND, Around
from .matches import CERTAIN, FORMAT, NAMED, Match, of_rule, without_overlaps
from .named import assigned
from .rules.rules import Rule
from .search.plan import KNOWN, NEAR, Plan

# Logs repeat themselves: the records last judged, unless they are long.
_REMEMBERED = 4096
_LONGEST_REMEMBERED = 1024


class Confirmer:
    """Judges records by a plan."""

    def __init__(self, plan: Plan) -> None:
        self._judge = partial(_judge, plan)
        self._judged_before = lru_cache(_REMEMBERED)(self._judge)

    def confirm(self, text: str, numbers: Iterable[int], around: Around = NOTHING_AROUND) -> list[Match]:
        """The secrets in a record that was hit under these numbers, the most telling first, each once.

        Args:
            text: What the record says.
            numbers: Under which it was hit.
            around: The records before and after it, if a secret may begin or go on there.
        """
        judge = self._judged_before if len(text) <= _LONGEST_REMEMBERED else self._judge
        return judge(text, frozenset(numbers), around)


def _judge(plan: Plan, text: str, numbers: frozenset[int], around: Around) -> list[Match]:
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
            matches.extend(_over_lines(texts, around.after(), rule) if rule.multiline else _by_itself(texts, rule))
        elif number - NEAR < len(plan.near):
            matches.extend(assigned(texts, plan.near[number - NEAR].words))
    for secret, literals in sorted(secrets.items()):
        match = _known(plan.known, secret, text, around, literals)
        if match:
            matches.append(match)
    return without_overlaps(matches) if len(matches) > 1 else matches


def _known(known: KnownValues, secret: int, text: str, around: Around, literals: list[Literal]) -> Match | None:
    plain = known.find(secret, text, around, literals)
    if plain is None:
        return None
    value = known.value_in(secret, plain)
    start = max(plain.find(value), 0)
    name = known.names[secret]
    # In an encoded form nobody can say where it begins: the whole text counts as secret.
    end = start + len(value) if value in plain else len(plain)
    return Match("known-value", f"Value of {name}", "high", value, plain, start, end, True, rank=CERTAIN)


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
    rank = NAMED if rule.judge else FORMAT
    for text in texts:
        matches = [
            of_rule(rule, found[group], text, found.start(group), found.end(group), rank)
            for found in rule.matches(text)
            if found[group] and rule.accepts(found[group])
        ]
        if matches:
            return matches
    return []
