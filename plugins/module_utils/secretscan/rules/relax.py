# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From an exact pattern to a relaxed one that is cheap to search for in gigabytes.

The relaxed pattern matches wherever the exact one could, also while the text still wears the escapes of JSON,
of a URL or of HTML. It keeps the first characters and drops what costs time: boundaries, look-around, long
tails. Both engines search for relaxed patterns and confirm with the exact one on the lines that were hit.
"""

from __future__ import annotations

from typing import Any

from ...errors import PatternNotLinearError

try:
    from re import _constants as sre_constants  # type: ignore[attr-defined,unused-ignore]
    from re import _parser as sre_parse  # type: ignore[attr-defined,unused-ignore]
except ImportError:  # Python 3.10
    import sre_constants
    import sre_parse

import re

# The upper limit of a repeat that has none.
UNBOUNDED = sre_constants.MAXREPEAT

# Changes whenever the same pattern is relaxed in another way.
VERSION = 4

# A relaxed pattern ends as soon as it fixes this many characters: enough to be rare in a log.
ENOUGH = 14

# What a character may look like in a log that has been through JSON, a URL or HTML.
_ESCAPED = {
    "/": r"(?:\\*/|%2[fF])",
    ":": r"(?::|%3[aA]|\\u003[aA])",
    "=": r"(?:=|%3[dD]|\\u003[dD])",
    "+": r"(?:\+|%2[bB]|\\u002[bB])",
    "@": r"(?:@|%40|\\u0040)",
    "&": r"(?:&|%26|\\u0026)(?:amp;)?",
    "<": r"(?:<|%3[cC]|&lt;|\\u003[cC])",
    ">": r"(?:>|%3[eE]|&gt;|\\u003[eE])",
    "$": r"(?:\$|%24)",
    "{": r"(?:\{|%7[bB])",
    "}": r"(?:\}|%7[dD])",
    "(": r"(?:\(|%28)",
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


def parse(pattern: str) -> Any:
    """The parse tree of a pattern; raises re.error for an invalid one."""
    return sre_parse.parse(pattern)


def relaxed(pattern: str) -> str:
    """The relaxed form of an exact pattern.

    Raises:
        PatternNotLinearError: The pattern holds a back-reference, a conditional or another thing without a linear form.
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
    raise PatternNotLinearError(f"{op.lower().replace('_', ' ')} is not supported")


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
    upper = "" if high is UNBOUNDED or high > 512 else str(high)
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
            raise PatternNotLinearError("a negated character category inside a class is not supported")
    text = f"[{'^' if negated else ''}{''.join(parts)}]"
    return text if negated or not extra else f"(?:{text}|{'|'.join(extra)})"
