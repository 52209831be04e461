# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From an exact pattern to a relaxed one that is cheap to search for in gigabytes.

The relaxed pattern matches wherever the exact one could, also while the text still wears the escapes of JSON,
of a URL or of HTML. It keeps the first characters and drops what costs time: boundaries, look-around, long
tails. Both engines search for relaxed patterns and confirm with the exact one on the lines that were hit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

try:
    from re import _constants as sre_constants  # type: ignore[attr-defined,unused-ignore]
    from re import _parser as sre_parse  # type: ignore[attr-defined,unused-ignore]
except ImportError:  # Python 3.10
    import sre_constants
    import sre_parse

import re

# Changes whenever the same pattern is relaxed in another way.
VERSION = 3

# A relaxed pattern ends as soon as it fixes this many characters: enough to be rare in a log.
ENOUGH = 14

# What a character may look like in a log that has been through JSON, a URL or HTML.
_ESCAPED = {
    "/": r"(?:\\*/|%2[fF])",
    ":": r"(?::|%3[aA]|\\u003[aA])",
    "=": r"(?:=|%3[dD]|\\u003[dD])",
    "+": r"(?:\+|%2[bB]|\\u002[bB])",
    "@": r"(?:@|%40|\\u0040)",
    "&": r"(?:&|%26|&amp;|\\u0026)",
    "<": r"(?:<|%3[cC]|&lt;|\\u003[cC])",
    ">": r"(?:>|%3[eE]|&gt;|\\u003[eE])",
    "|": r"(?:\||%7[cC]|\\u007[cC])",
    "~": r"(?:~|%7[eE])",
    '"': r"(?:\\*\"|%22|&quot;|&#34;|\\*u0022|\\*u0026(?:quot|#34);)",
    "'": r"(?:\\*'|%27|&#39;|&#x27;|\\*u0027|\\*u0026#39;)",
    " ": r"(?:\\*[\s+nrt]|%20|\\*u00[0-9a-f]{2})",
}
_CATEGORY = {
    "CATEGORY_DIGIT": r"0-9",
    "CATEGORY_WORD": r"A-Za-z0-9_",
    "CATEGORY_SPACE": r" \t\r\n\f\v",
}


class UnsupportedError(ValueError):
    """The pattern uses something that a linear-time search cannot do."""


def parse(pattern: str) -> Any:
    """The parse tree of a pattern; raises re.error for an invalid one."""
    return sre_parse.parse(pattern)


def relaxed(pattern: str) -> str:
    """The relaxed form of an exact pattern.

    Raises:
        UnsupportedError: The pattern holds a back-reference, a conditional or another thing without a linear form.
    """
    tree = parse(pattern)
    text, _length, _done = _sequence(tree, ENOUGH, bool(tree.state.flags & re.IGNORECASE))
    return f"(?i){text}" if tree.state.flags & re.IGNORECASE else text


def _sequence(nodes: Any, budget: int, caseless: bool) -> tuple[str, int, bool]:
    """Relax nodes one after another until the budget of fixed characters is spent."""
    out: list[str] = []
    length = 0
    for op, argument in nodes:
        text, fixed, done = _node(str(op), argument, budget - length, caseless)
        out.append(text)
        length += fixed
        if done or length >= budget:
            return "".join(out), length, True
    return "".join(out), length, False


def _node(op: str, argument: Any, budget: int, caseless: bool) -> tuple[str, int, bool]:
    if op == "LITERAL":
        return _literal(chr(argument)), 1, False
    if op == "NOT_LITERAL":
        return f"[^{_in_class(chr(argument))}]", 1, False
    if op == "ANY":
        return r"[^\n]", 1, False
    if op == "IN":
        return _char_class(argument), 1, False
    if op in ("AT", "ASSERT", "ASSERT_NOT"):
        return "", 0, False
    if op == "SUBPATTERN":
        _group, add, _drop, nodes = argument
        text, fixed, done = _sequence(nodes, budget, caseless or bool(add & re.IGNORECASE))
        return (f"(?i:{text})" if add & re.IGNORECASE else f"(?:{text})"), fixed, done
    if op == "BRANCH":
        return _branch(argument[1], budget, caseless)
    if op in ("MAX_REPEAT", "MIN_REPEAT"):
        return _repeat(argument, budget, caseless)
    raise UnsupportedError(f"{op.lower().replace('_', ' ')} is not supported")


def _branch(branches: Any, budget: int, caseless: bool) -> tuple[str, int, bool]:
    parts = [_sequence(branch, budget, caseless) for branch in branches]
    text = "(?:" + "|".join(part for part, _fixed, _done in parts) + ")"
    # One branch that was cut short means that nothing may follow: its own tail is missing.
    return text, min(fixed for _part, fixed, _done in parts), any(done for _part, _fixed, done in parts)


def _repeat(argument: Any, budget: int, caseless: bool) -> tuple[str, int, bool]:
    low, high, nodes = argument
    text, fixed, done = _sequence(nodes, budget, caseless)
    if done or (fixed and low * fixed >= budget):
        needed = 1 if done else -(-budget // fixed)
        return (f"(?:{text}){{{needed}}}" if low else f"(?:{text})?"), budget, True
    if low == high == 1:
        return text, fixed, False
    upper = "" if high is sre_constants.MAXREPEAT or high > 512 else str(high)
    return f"(?:{text}){{{low},{upper}}}", low * fixed, False


def _literal(char: str) -> str:
    return _ESCAPED.get(char) or re.escape(char)


def _in_class(char: str) -> str:
    return "\\" + char if char in r"\]^-[" else char


def _char_class(items: Any) -> str:
    """A character class; one that holds a character that may stand escaped also takes its escape."""
    parts: list[str] = []
    negated = False
    extra: list[str] = []
    for op, argument in items:
        name = str(op)
        if name == "NEGATE":
            negated = True
        elif name == "LITERAL":
            parts.append(_in_class(chr(argument)))
            if chr(argument) in _ESCAPED:
                extra.append(_ESCAPED[chr(argument)])
        elif name == "RANGE":
            parts.append(f"{_in_class(chr(argument[0]))}-{_in_class(chr(argument[1]))}")
        elif name == "CATEGORY" and str(argument) in _CATEGORY:
            parts.append(_CATEGORY[str(argument)])
            if str(argument) == "CATEGORY_SPACE":
                extra.append(_ESCAPED[" "])
        else:
            raise UnsupportedError("a negated character category inside a class is not supported")
    text = f"[{'^' if negated else ''}{''.join(parts)}]"
    return text if negated or not extra else f"(?:{text}|{'|'.join(extra)})"


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
            wide = high is sre_constants.MAXREPEAT or high - low > 100
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
