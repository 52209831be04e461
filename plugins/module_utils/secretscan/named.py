# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values under a name that promises a secret: where they stand in a text, and which are none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from .matches import ANY, NAMED, Match, of_rule
from .rules.rules import TAIL, Rule

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


def assigned(texts: Iterable[str], words: Mapping[str, tuple[Rule, ...]]) -> list[Match]:
    """The values assigned to names that hold one of the words, judged by each of its rules."""
    matches: list[Match] = []
    found: set[str] = set()
    for text in texts:
        lower = text.lower()
        if len(lower) != len(text):
            # A letter whose small form is two characters; no word holds one.
            lower = "".join(char.lower() if char.isascii() else char for char in text)
        for word, rules in words.items():
            if word not in lower or word in found:
                continue
            for rest, start in _names(text, lower, word):
                if match := _first(text, rest, start, rules):
                    matches.append(match)
                    found.add(word)
    return matches


def _first(text: str, rest: str, start: int, rules: tuple[Rule, ...]) -> Match | None:
    """What the first of the rules finds that finds any in a value under a name that ends so."""
    for rule in rules:
        if not (_HARMLESS_NAME if rule.judge else _HARMLESS_ID).search(rest) and (match := _value(text, start, rule)):
            return match
    return None


def _names(text: str, lower: str, word: str) -> Iterator[tuple[str, int]]:
    """Where a name that holds the word is given a value: what follows the word in it, and the value's place."""
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
    return of_rule(rule, secret, text, start, end, ANY if rule.judge else NAMED)
