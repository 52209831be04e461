# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one scan searches for: the rules' relaxed patterns, the known values' literals, the keywords."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import NamedTuple

from ..known import KnownValues
from ..rules import relax
from ..rules.literals import Literals, required_literals
from ..rules.rules import Rule
from . import assigned

# The byte at which a match ends, and its number.
Hit = tuple[int, int]
# Numbers under which an engine reports a hit; what lies below NEAR is the index of a rule.
NEAR = 10_000
KEYWORD = 20_000
KNOWN = 100_000

# Where a pattern ends at one byte after another, a hit at so many bytes is enough to find every record and window.
RUN = 1024

KEYWORDS = ("password", "secret", "token")

# So many characters of a value are enough to make its name worth a look.
_ENOUGH = 14


class Term(NamedTuple):
    """One thing to search for: a relaxed pattern, and texts of which every match holds one."""

    number: int
    owner: str
    expression: str
    literals: Literals


class Names(NamedTuple):
    """Words of which a name holds one, each with the rules for the value under it, and what that looks like."""

    words: dict[str, tuple[Rule, ...]]
    shape: str

    @property
    def expression(self) -> str:
        """The relaxed pattern for all of them; a longer word that begins as a shorter one is found with it."""
        words = tuple(w for w in self.words if not any(w != other and w.startswith(other) for other in self.words))
        widths = [] if self.shape else [relax.parse(rule.pattern).getwidth()[0] for rule in self.words[words[0]]]
        return assigned.expression(words, self.shape, min([_ENOUGH, *widths]))


class Plan:
    """What each number of a hit stands for, and the terms that an engine compiles."""

    def __init__(self, rules: tuple[Rule, ...], known: KnownValues, keywords: bool = False) -> None:
        self.rules = rules
        self.known = known
        self.near = _by_names(rules)
        self.literals = known.literals()
        # What to look for the rest of in the records around: rules, and values in lines of code.
        self.multiline = {number for number, rule in enumerate(rules) if rule.multiline}
        self.multiline |= {KNOWN + number for number, literal in enumerate(self.literals) if literal.over_lines}
        self.keywords = KEYWORDS if keywords else ()

    @cached_property
    def terms(self) -> list[Term]:
        """The rules' terms; costs a few hundredths of a second, so only who compiles them asks."""
        tokens = [_rule_term(number, rule) for number, rule in enumerate(self.rules) if not rule.near]
        return tokens + [_near_term(NEAR + number, names) for number, names in enumerate(self.near)]

    @property
    def digest(self) -> str:
        """Names the terms without making them; changes with the rules and with how they are relaxed."""
        tokens = [(rule.id, rule.search_pattern) for rule in self.rules if not rule.near]
        near = [
            (list(names.words), [[r.pattern for r in owners] for owners in names.words.values()]) for names in self.near
        ]
        content = repr((relax.VERSION, assigned.PATTERNS, tokens, near))
        return hashlib.sha256(content.encode()).hexdigest()


def _by_names(rules: tuple[Rule, ...]) -> list[Names]:
    """The words of all rules: those whose values have a shape together, any other by itself."""
    shaped: dict[str, dict[str, list[Rule]]] = {}
    plain: dict[str, list[Rule]] = {}
    for rule in rules:
        shape = assigned.shape_of(rule.judge)
        for word in rule.near:
            words = shaped.setdefault(shape, {}) if shape else plain
            words.setdefault(word.lower(), []).append(rule)
    found = [
        Names({word: tuple(owners) for word, owners in sorted(words.items())}, shape)
        for shape, words in sorted(shaped.items())
    ]
    return found + [Names({word: tuple(owners)}, "") for word, owners in sorted(plain.items())]


def _rule_term(number: int, rule: Rule) -> Term:
    expression = rule.anchor or relax.relaxed(rule.pattern)
    return Term(number, rule.id, expression, required_literals(expression))


def _near_term(number: int, names: Names) -> Term:
    literals = Literals(frozenset(names.words), caseless=True, leading=True)
    return Term(number, next(iter(names.words)), names.expression, literals)
