# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one scan searches for: the rules' relaxed patterns, the known values' literals, the keywords."""

from __future__ import annotations

import hashlib
import re
from functools import cached_property
from typing import NamedTuple

from ..known import KnownValues
from ..rules import relax
from ..rules.literals import Literals, fixed_texts, required_literals
from ..rules.rules import Rule

# The byte at which a match ends, and its number.
Hit = tuple[int, int]
# Numbers under which an engine reports a hit; what lies below NEAR is the index of a rule.
NEAR = 10_000
KEYWORD = 20_000
# From here to KNOWN: the record may hold a match of some rule, and the engine must be asked about it again.
MAYBE = 50_000
KNOWN = 100_000

# Where a pattern ends at one byte after another, a hit at so many bytes is enough to find every record and window.
RUN = 1024

KEYWORDS = ("password", "secret", "token")

# A name, the rest of it, what assigns, and five characters of a value or of the escape before it (u003e). Without
# alternatives in a repeat, which make the compiled patterns ten times as large.
_NEAR_TAIL = (
    r"[\w.\- \\\"'\])>`\[;&?!+]*(?:[:=>|]|%3[dD]|[\"'`] ?,)"
    r"[\s\\\"'`=>|:(\[{]*[^\s\\\"'`,]{5}"
)


class Term(NamedTuple):
    """One thing to search for: a relaxed pattern, and texts of which every match holds one."""

    number: int
    owner: str
    expression: str
    literals: Literals
    sieve: str = ""

    def first_look(self) -> tuple[frozenset[str], str]:
        """Fixed texts, and a pattern or none: whatever holds neither holds no match."""
        if not self.sieve:
            return self.literals.texts, ""
        covered = required_literals(self.sieve).texts
        rest = frozenset(text for text in self.literals.texts if not any(text in other for other in covered))
        fixed = fixed_texts(self.sieve)
        return (rest | fixed, "") if fixed else (rest, self.sieve)


class Plan:
    """What each number of a hit stands for, and the terms that an engine compiles."""

    def __init__(self, rules: tuple[Rule, ...], known: KnownValues, keywords: bool = False) -> None:
        self.rules = rules
        self.known = known
        words: dict[str, list[Rule]] = {}
        for rule in rules:
            for word in rule.near:
                words.setdefault(word.lower(), []).append(rule)
        self.near = [(word, tuple(owners)) for word, owners in sorted(words.items())]
        self.literals = known.literals()
        # What to look for the rest of in the records around: rules, and values in lines of code.
        self.multiline = {number for number, rule in enumerate(rules) if rule.multiline}
        self.multiline |= {KNOWN + number for number, literal in enumerate(self.literals) if literal.over_lines}
        self.keywords = KEYWORDS if keywords else ()

    @cached_property
    def terms(self) -> list[Term]:
        """The rules' terms; costs a few hundredths of a second, so only who compiles them asks."""
        tokens = [_rule_term(number, rule) for number, rule in enumerate(self.rules) if not rule.near]
        return tokens + [_near_term(NEAR + number, word) for number, (word, _rules) in enumerate(self.near)]

    @property
    def digest(self) -> str:
        """Names the terms without making them; changes with the rules and with how they are relaxed."""
        tokens = [(rule.id, rule.search_pattern, rule.sieve) for rule in self.rules if not rule.near]
        content = repr((relax.VERSION, _NEAR_TAIL, tokens, [word for word, _rules in self.near]))
        return hashlib.sha256(content.encode()).hexdigest()


def _rule_term(number: int, rule: Rule) -> Term:
    expression = rule.anchor or relax.relaxed(rule.pattern)
    return Term(number, rule.id, expression, required_literals(expression), rule.sieve)


def _near_term(number: int, word: str) -> Term:
    literals = Literals(frozenset([word]), caseless=True, leading=True)
    return Term(number, word, f"(?i){re.escape(word)}{_NEAR_TAIL}", literals)
