# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules of a scan: the built-in data and a user's own, checked and ready to match."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from ...errors import PatternNotLinearError, UserError, nearest
from .. import judge
from . import relax
from .literals import is_explosive, required_literals

SEVERITIES = ("low", "medium", "high")
_WORD_CHARS = string.ascii_letters + string.digits
_START = r"(?<![A-Za-z0-9])"
_FIXED_FIRST = re.compile(r"[\w-]{2}(?![?*+{|])")
_END = r"(?![\w-])"
_LONGEST_PATTERN = 1000
_LOOK_AROUND = re.compile(r"\(\?<?[=!]")

# What may stand between a word in a name and the value assigned to it, in code, JSON, YAML, XML, headers and logs.
# After a dash, a value stands in quotes; after a comma, it does and is neither key nor column itself.
TAIL = re.compile(
    r"(?i)(?P<rest>[\w.\- ]{0,40}?)[\"'`\])]{0,4}\s{0,4}"
    r"(?:=>|-(?=\s{1,2}[\"'`])|:{0,3}=|[?.+!]=|:|->|\|\||>|(?:[\"'`]\s{0,3}|(?<=[\"'`])),"
    r"(?=\s{0,3}[\"'`][^\s\"'`]{6,512}[\"'`](?!\s{0,3}[:=.])))"
    r"[\s\"'`(\[{]{0,6}(?:value\s?=\s?[\"']?)?"
)


class _Fields(NamedTuple):
    """What rules_data.py describes."""

    id: str
    title: str
    pattern: str
    near: tuple[str, ...] = ()
    start: str = _START
    end: str = _END
    anchor: str = ""
    multiline: bool = False
    severity: str = "high"
    entropy: float = 2.0
    judge: str = ""
    check: str = ""
    docs: str = ""
    examples: tuple[str, ...] = ()


class Rule(_Fields):
    """One rule, ready to match."""

    @cached_property
    def exact(self) -> re.Pattern[str]:
        """What a secret is, boundaries included; compiled on the first hit only."""
        # Without what re would do for Unicode, it compiles in half the time.
        pattern = f"(?:{self.pattern})" if "|" in self.pattern else self.pattern
        if self.near:
            return re.compile(pattern + self.end, re.IGNORECASE | re.ASCII)
        start = "" if self._starts_apart else self.start
        return re.compile(start + pattern + self.end, re.ASCII)

    @cached_property
    def _starts_apart(self) -> bool:
        """Whether to look at what stands before a match by hand: re searches for fixed first characters at the speed
        of C, but not if a look-behind comes before them."""
        return self.start == _START and bool(_FIXED_FIRST.match(self.pattern))

    def matches(self, text: str) -> Iterator[re.Match[str]]:
        """The places where the rule's own format stands."""
        place = 0
        while found := self.exact.search(text, place):
            start = found.start()
            if self._starts_apart and start and text[start - 1] in _WORD_CHARS:
                place = start + 1
            else:
                yield found
                place = max(found.end(), start + 1)

    @cached_property
    def has_group(self) -> bool:
        """Whether the secret is only a part of the match."""
        return "secret" in self.exact.groupindex

    @property
    def search_pattern(self) -> str:
        """The pattern from which the fast search is made."""
        return self.anchor or self.pattern

    def accepts(self, secret: str) -> bool:
        """Whether a text in the right form is a secret rather than a placeholder or a chance likeness."""
        if self.judge:
            return judge.JUDGES[self.judge](secret)
        if not self.entropy:
            return bool(secret)
        return judge.is_random(secret, self.entropy)

    def is_verified(self, secret: str) -> bool | None:
        """Whether the secret's checksum is right; None for a format without one."""
        return judge.CHECKS[self.check](secret) if self.check else None


def load(user_rules: Iterable[Mapping[str, Any]] = (), disabled: Iterable[str] = ()) -> tuple[Rule, ...]:
    """The built-in rules less the disabled ones, then the user's own.

    Raises:
        UserError: A rule of the user's is not usable, or a disabled id is not known.
    """
    from .rules_data import RULES

    rules = {data["id"]: _build(data) for data in RULES}
    for number, data in enumerate(user_rules, 1):
        rule = _checked(data, number)
        if rule.id in rules:
            raise UserError(f"rules: the id {rule.id!r} is taken; give the rule another one")
        rules[rule.id] = rule
    for name in disabled:
        if name not in rules:
            raise UserError(f"disable_rules: there is no rule {name!r}{nearest(name, rules)}")
        del rules[name]
    return tuple(rules.values())


def _build(data: Mapping[str, Any]) -> Rule:
    fields = dict(data)
    fields["near"] = tuple(fields.get("near") or ())
    fields["examples"] = tuple(fields.get("examples") or ())
    return Rule(**fields)


def _checked(data: Mapping[str, Any], number: int) -> Rule:
    """A user's rule, or a UserError that names it and says what is wrong."""
    name = str(data.get("id") or f"number {number}")

    def refuse(reason: str) -> UserError:
        return UserError(f"rules: rule {name!r} {reason}")

    for key in data:
        if key not in _Fields._fields:
            raise refuse(f"has an unknown key {key!r}{nearest(key, _Fields._fields)}")
    for key in ("id", "title", "pattern"):
        if not isinstance(data.get(key), str) or not data[key].strip():
            raise refuse(f"has no {key}")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise refuse("must have an id of small letters, digits and hyphens")
    for key, allowed in (("severity", SEVERITIES), ("judge", judge.JUDGES), ("check", judge.CHECKS)):
        if data.get(key) and data[key] not in allowed:
            raise refuse(f"has {key} {data[key]!r}; it takes {', '.join(allowed)}")
    if not isinstance(data.get("near", []), (list, tuple)) or not isinstance(data.get("examples", []), (list, tuple)):
        raise refuse("needs lists for near and examples")
    if any(len(str(word)) < 3 for word in data.get("near") or ()):
        raise refuse("has a near word of less than 3 characters, which stands in every log")
    try:
        fault = _fault(data)
        rule = _build(data)
        rule.exact  # noqa: B018 - compiles the whole
    except (re.error, TypeError, OverflowError, RecursionError) as error:
        raise refuse(f"is not a valid regular expression: {error}")
    except PatternNotLinearError as error:
        raise refuse(f"cannot be searched for in linear time: {error}")
    if fault:
        raise refuse(fault)
    return rule


def _fault(data: Mapping[str, Any]) -> str:
    """Why a rule would match nothing, everything, or take for ever; empty if it would not."""
    for key in ("pattern", "anchor"):
        text = str(data.get(key) or "")
        if len(text) > _LONGEST_PATTERN:
            return f"has {key} of more than {_LONGEST_PATTERN} characters"
        relax.relaxed(text)
        if key == "anchor" and _LOOK_AROUND.search(text):
            return "has an anchor with look-around, which a search in linear time cannot do"
        if is_explosive(text):
            return f"has {key} that can take exponential time: a repeat within a repeat or beside one"
    for key in ("start", "end"):
        if is_explosive(str(data.get(key) or "")):
            return f"has {key} that can take exponential time"
    low, _high = relax.parse(data["pattern"]).getwidth()
    if low < 4:
        return "matches texts of less than 4 characters, down to nothing"
    search = str(data.get("anchor") or data["pattern"])
    if not data.get("near") and required_literals(search).shortest < 2:
        return "holds no fixed text of 2 characters to search for; add near or anchor"
    return ""
