# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The literals that a pattern requires of every match, and whether matching can take for ever."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .relax import UNBOUNDED, parse

_MOST_ALTERNATIVES = 64


class Literals(NamedTuple):
    """Texts of which every match holds at least one; of small letters if they may stand in any case."""

    texts: frozenset[str]
    caseless: bool
    # Whether every match begins with the text.
    leading: bool

    @property
    def shortest(self) -> int:
        """The length of the shortest text; 0 when nothing is known."""
        return min((len(text) for text in self.texts), default=0)


def required_literals(pattern: str) -> Literals:
    """The fixed texts of which a match must hold one: the longest that the pattern guarantees."""
    tree = parse(pattern)
    caseless = bool(tree.state.flags & re.IGNORECASE) or "(?i:" in pattern
    texts = _required(tree)
    leading = texts == frozenset(_head(tree))
    return Literals(frozenset(text.lower() for text in texts) if caseless else texts, caseless, leading)


def fixed_texts(pattern: str) -> frozenset[str]:
    """All texts that a pattern matches, when they are few; none for any other pattern."""
    return frozenset(_sequence_alternatives(parse(pattern)))


def _head(nodes: Any) -> list[str]:
    """The fixed texts with which a sequence begins."""
    runs = [""]
    for node in nodes:
        fixed = _alternatives(node)
        if not fixed or len(fixed) * len(runs) > _MOST_ALTERNATIVES:
            break
        runs = [run + text for run in runs for text in fixed]
    return runs


def _required(nodes: Any) -> frozenset[str]:
    """The best choice in a sequence of nodes, joining what stands side by side."""
    best: frozenset[str] = frozenset()
    runs = [""]
    for node in nodes:
        fixed = _alternatives(node)
        if fixed and len(fixed) * len(runs) <= _MOST_ALTERNATIVES:
            runs = [run + text for run in runs for text in fixed]
            continue
        best = _better(best, frozenset(runs))
        runs = [""]
        best = _better(best, _inner(node))
    return _better(best, frozenset(runs))


def _alternatives(node: Any) -> list[str]:
    """All texts that a node can match, when they are few and fixed."""
    op, argument = str(node[0]), node[1]
    if op == "LITERAL":
        return [chr(argument)]
    if op == "IN":
        if all(str(kind) == "LITERAL" for kind, _char in argument):
            return [chr(char) for _kind, char in argument]
        return []
    if op == "SUBPATTERN":
        return _sequence_alternatives(argument[3])
    if op == "BRANCH":
        each = [_sequence_alternatives(branch) for branch in argument[1]]
        return [text for texts in each for text in texts] if all(each) else []
    if op in ("MAX_REPEAT", "MIN_REPEAT") and argument[0] == argument[1] and argument[0] <= 20:
        inner = _sequence_alternatives(argument[2])
        return [inner[0] * argument[0]] if len(inner) == 1 else []
    return []


def _sequence_alternatives(nodes: Any) -> list[str]:
    texts = [""]
    for node in nodes:
        fixed = _alternatives(node)
        if not fixed or len(fixed) * len(texts) > _MOST_ALTERNATIVES:
            return []
        texts = [text + more for text in texts for more in fixed]
    return texts


def _inner(node: Any) -> frozenset[str]:
    """What a node that is not itself fixed demands at least once."""
    op, argument = str(node[0]), node[1]
    if op == "SUBPATTERN":
        return _required(argument[3])
    if op in ("MAX_REPEAT", "MIN_REPEAT") and argument[0] > 0:
        return _required(argument[2])
    if op == "BRANCH":
        each = [_required(branch) for branch in argument[1]]
        return frozenset().union(*each) if all(each) else frozenset()
    return frozenset()


def _better(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    return max(one, other, key=lambda choice: min((len(text) for text in choice), default=0))


def is_explosive(pattern: str) -> bool:
    """Whether matching can take more than linear time: a repeat within a repeat, or two side by side."""
    return _explosive(parse(pattern))


def _explosive(nodes: Any) -> bool:
    beside_repeat = False
    for op, argument in nodes:
        name = str(op)
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, inner = argument
            wide = high is UNBOUNDED or high - low > 100
            if (wide and (beside_repeat or _is_variable(inner))) or _explosive(inner):
                return True
            beside_repeat = wide or (beside_repeat and low == 0)
        elif name == "SUBPATTERN":
            if _explosive(argument[3]):
                return True
            beside_repeat = False
        elif name == "BRANCH":
            if any(_explosive(branch) for branch in argument[1]):
                return True
            beside_repeat = False
        elif name not in ("AT", "ASSERT", "ASSERT_NOT"):
            beside_repeat = False
    return False


def _is_variable(nodes: Any) -> bool:
    low, high = nodes.getwidth()
    return bool(low != high)
