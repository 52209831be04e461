# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a value under a name looks like while it still wears the escapes of JSON, of a URL or of HTML.

The patterns match wherever the exact rules could find something, and little more: most lines that speak of passwords
and tokens tell none, and each that is not hit costs nothing. They are made of few states, which a search pays for.
"""

from __future__ import annotations

import re

# What a character, a colour or the end of a line may look like.
_ENTITY = r"(?:\\*&|\\+u0026|%26)(?:amp;)?#?\w{2,4}(?:;|%3[bB])"
_ESCAPES = rf"""\\+(?:u00\w\w|[bfnrt"'`/])|\[[0-9;]*m?|%(?:25)*\w\w(?:[0-9;]+m)?|{_ENTITY}"""
# The rest of the name and what closes it, what assigns, and what opens the value.
_REST = r"[\w.\- \x80-\xff]*"
_CLOSE = rf"""(?:(?:["'`\])\t\r\n>?!+:\x1b]|{_ESCAPES})(?:["'`\])\s>?!+.:\x1b]|{_ESCAPES})*)?"""
_ASSIGN = rf"""(?:[:=>|]|- {{1,2}}\\*["'`]|(?:%(?:25)*|\\+u00)(?:3[aAdDeE]|7[cC])|{_ENTITY})"""
_OPEN = rf"""(?:[\s"'`=>|:({{\x1b]|value ?=|{_ESCAPES})*"""
_QUOTE = r"""\\*["'`]"""

# A value's characters: all but what ends it.
_VALUE = r"""[^\s"'`<>,;|&(){}\[\]]"""
# In a token, what is no digit; in a password, letters and what closes a sentence, and what is neither.
_NO_DIGIT = r"""[^\s"'`<>,;|&(){}\[\]0-9\x80-\xff]"""
_DIGIT = r"[0-9\x80-\xff]"
_WORD = r"[A-Za-z.:!?\\]"
_NO_WORD = r"""(?:[^\sA-Za-z.:!?\\"'`<>,;|&(){}\[\]]|[.:!?]\w)"""


def _mixed(common: str, telling: str, least: int, most: int) -> str:
    """At least so many characters, of which one among the first so many tells, or all of those."""
    text = rf"(?:{common}{{{most - least}}}|{common}{{0,{most - least - 1}}}{telling})"
    for place in reversed(range(least)):
        after = f"{_VALUE}{{{least - 1 - place}}}" if place < least - 1 else ""
        if place == 0:
            # No value begins with an escape, and what begins with a slash is a path.
            common, telling = (part.replace(r"\\", "").replace("[^", r"[^/\\") for part in (common, telling))
        text = f"(?:{telling}{after}|{common}{text})"
    return text


# By the judge that looks at the value: judge.py.
_SHAPES = {
    "password": rf"(?:{_mixed(_WORD, _NO_WORD, 5, 16)}|(?:[A-Za-z]{_WORD}{{0,13}})?[a-z][A-Z])",
    "token": _mixed(_NO_DIGIT, _DIGIT, 8, 20),
}
# Vendors' names are many and rare: what stands after them is told by classes alone, which compile fast.
_PLAIN = (
    r"""[\w.\- \\"'\])>`\[;&#?!+%\x1b]*(?:[:=>|]|%3[aAdD]|u003[aAdDeE]|u0026gt;|["'`] ?,)"""
    r"""(?:[\s\\"'`=>|:(\[{\x1b]|value ?=)*"""
)
# So many characters, or an escape.
_PLAIN_VALUE = r"""(?:[^\s"'`,]{%d}|u00\w|[&%%]\w)"""
# Changes whenever a name's pattern does.
PATTERNS = repr((_REST, _CLOSE, _ASSIGN, _OPEN, _QUOTE, _VALUE, _PLAIN, _PLAIN_VALUE, *_SHAPES.values()))


def shape_of(judge: str) -> str:
    """The name of the shape that a judge's values have; empty for one without."""
    name = "token" if judge == "key" else judge
    return name if name in _SHAPES else ""


def expression(words: tuple[str, ...], shape: str, least: int) -> str:
    """The pattern for a value of a shape, or else of at least so many characters, under a name that holds a word."""
    name = "(?i:" + "|".join(map(re.escape, words)) + ")"
    if not shape:
        return name + _PLAIN + _PLAIN_VALUE % least
    value = _SHAPES[shape]
    # After a comma, a text in quotes is a value only if it is neither key nor column itself.
    listed = rf"""{_QUOTE} *, *{_QUOTE}{value}[^\s"'`]*{_QUOTE} ?[^\s.:=]"""
    return f"{name}{_REST}{_CLOSE}{_ASSIGN}{_OPEN}{value}|{name}{_REST}{listed}"
