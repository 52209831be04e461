# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads a user's mapping key by key, so that every mistake is named by its full path."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from ..errors import UserError, nearest

T = TypeVar("T")

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+")
# A hundred years: what is longer is a mistake, and no clock counts it.
_LONGEST = 100 * 365 * 86400
# What a shell would act on, outside of quotes.
_SHELL = re.compile(r"(?:[^'\"\\]|'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.)*?(&&|\|\||[|;<>`]|\$\()", re.DOTALL)


def parse_duration(value: Any, where: str) -> float:
    """Seconds from `90`, `30s`, `1m30s`, `500ms`.

    Raises:
        UserError: It is not a duration, or negative.
    """
    seconds = _seconds(value)
    if seconds is None:
        raise UserError(
            f"{where}: {_shown(value)} is not a duration; write seconds or a form such as 30s, 1m30s or 2h."
        )
    if seconds > _LONGEST:
        raise UserError(f"{where}: {_shown(value)} is longer than a hundred years; write a shorter duration.")
    return seconds


def _seconds(value: Any) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return min(float(min(value, _LONGEST + 1)), _LONGEST + 1) if value >= 0 else None
    text = str(value).strip() if isinstance(value, str) else ""
    if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text):
        return float(text)
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(n) * _UNITS[u] for n, u in re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", text))


def split_command(text: str, where: str) -> tuple[str, ...]:
    """The words of a text command, as Compose splits it: quotes bind, no shell runs.

    Raises:
        UserError: A quote is not closed, or the text only makes sense to a shell.
    """
    if _SHELL.match(text):
        form = f'["/bin/sh", "-c", {text!r}]'
        raise UserError(
            f"{where}: {_shown(text)} wants a shell, and a text command is split into words, as in Compose;"
            f" write {form}."
        )
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(f"{where}: {_shown(text)} cannot be split into words ({error}); close the quotes.")


def _shown(value: Any) -> str:
    """A value as a message can show it."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"


class Fields:
    """One mapping of the user's, with the keys it may hold."""

    def __init__(
        self,
        value: Any,
        where: str,
        known: Iterable[str],
        mistakes: list[str] | None = None,
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        """Read a mapping.

        Args:
            value: What the user wrote.
            where: Its full path, for messages.
            known: The keys that it may hold.
            mistakes: Where mistakes are put down, so that one answer names them all; without it the first one raises.
            elsewhere: For keys that users bring from Compose: what takes their place here.

        Raises:
            UserError: It is no mapping; or it holds an unknown key and mistakes are not collected.
        """
        self.where = where
        self._known = tuple(known)
        self._mistakes = mistakes
        if not isinstance(value, Mapping):
            raise UserError(f"{where}: expected a mapping with keys such as {', '.join(self._known[:4])}.")
        # Optional keys that templates leave at null count as absent.
        self._values = {k: v for k, v in value.items() if v is not None}
        unknown = [self._unknown(key, elsewhere or {}) for key in self._values if key not in self._known]
        if unknown and mistakes is None:
            raise UserError("\n".join(unknown))
        if mistakes is not None:
            mistakes.extend(unknown)

    def _unknown(self, key: Any, elsewhere: Mapping[str, str]) -> str:
        path = self.path(_shown(key) if not isinstance(key, str) else key)
        if key in elsewhere:
            return f"{path}: unknown key; {elsewhere[key]}."
        hint = nearest(str(key), self._known) if isinstance(key, str) else ""
        return f"{path}: unknown key{hint or '; known are ' + ', '.join(sorted(self._known))}."

    def attempt(self, read: Callable[[], T], instead: T) -> T:
        """What `read` answers; where mistakes are collected, its mistake is put down and `instead` answered.

        Raises:
            UserError: The mistake, where mistakes are not collected.
        """
        try:
            return read()
        except UserError as error:
            if self._mistakes is None:
                raise
            self._mistakes.append(str(error))
        except (ValueError, OverflowError, RecursionError) as error:
            text = f"{self.where} holds a value too large or too deep to read ({type(error).__name__})."
            if self._mistakes is None:
                raise UserError(text)
            self._mistakes.append(text)
        return instead

    def path(self, key: Any) -> str:
        """The full name of a key, as a message shows it."""
        # The description's own keys are inventory variables: stack_name, stack_services …
        return f"stack_{key}" if self.where == "stack" else f"{self.where}.{key}"

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def raw(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default)

    def need(self, key: str, why: str) -> Any:
        if self._values.get(key) in (None, ""):
            raise UserError(f"{self.path(key)} is missing: {why}.")
        return self._values[key]

    def text(self, key: str, default: str = "", pattern: str = "", form: str = "") -> str:
        value = self._values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise UserError(f"{self.path(key)}: expected text, not {type(value).__name__}.")
        if pattern and value != default and not re.fullmatch(pattern, str(value)):
            raise UserError(f"{self.path(key)}: {str(value)!r} is not {form}.")
        return str(value)

    def choice(self, key: str, default: str, options: tuple[str, ...]) -> str:
        value = self._values.get(key, default)
        if value not in options:
            choices = tuple(o for o in options if o)
            hint = nearest(value, choices) if isinstance(value, str) else ""
            raise UserError(f"{self.path(key)}: {_shown(value)} is none of {', '.join(choices)}{hint}.")
        return str(value)

    def flag(self, key: str, default: bool = False) -> bool:
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            raise UserError(f"{self.path(key)}: expected true or false, not {_shown(value)}.")
        return value

    def integer(self, key: str, default: int | None, low: int, high: int) -> int | None:
        value = self._values.get(key, default)
        if value is None:
            return None
        # Templates hand numbers over as text.
        if isinstance(value, str) and re.fullmatch("[0-9]{1,20}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise UserError(f"{self.path(key)}: {_shown(value)} is not a whole number from {low} to {high}.")
        return value

    def number(self, key: str) -> float | None:
        value = self._values.get(key)
        if value is None:
            return None
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = 0.0
        if isinstance(value, bool) or number <= 0 or not math.isfinite(number):
            raise UserError(f"{self.path(key)}: {_shown(value)} is not a number above zero.")
        return number

    def duration(self, key: str, default: float) -> float:
        return parse_duration(self._values.get(key, default), self.path(key))

    def items(self, key: str) -> list[Any]:
        value = self._values.get(key, [])
        if not isinstance(value, (list, tuple)):
            raise UserError(f"{self.path(key)}: expected a list.")
        return list(value)

    def texts(self, key: str, default: Iterable[str] = ()) -> tuple[str, ...]:
        if key not in self._values:
            return tuple(default)
        for entry in self.items(key):
            if not isinstance(entry, (str, int, float)) or isinstance(entry, bool):
                raise UserError(f"{self.path(key)}: every entry must be text, {_shown(entry)} is not.")
        return tuple(str(entry) for entry in self.items(key))

    def command(self, key: str) -> tuple[str, ...]:
        """An argv; a plain string is split into words, as Compose splits it."""
        value = self._values.get(key)
        return split_command(value, self.path(key)) if isinstance(value, str) else self.texts(key)

    def script(self, key: str) -> tuple[str, ...]:
        """An argv; a plain string is run by the container's shell, as that of a health check is in Compose."""
        value = self._values.get(key)
        if isinstance(value, str):
            return ("/bin/sh", "-c", value) if value.strip() else ()
        kind, *words = self.texts(key) or ("",)
        if kind == "CMD":
            return tuple(words)
        if kind == "CMD-SHELL":
            return ("/bin/sh", "-c", " ".join(words))
        return self.texts(key)

    def mapping(self, key: str) -> dict[str, Any]:
        value = self._values.get(key, {})
        if not isinstance(value, Mapping):
            raise UserError(f"{self.path(key)}: expected a mapping.")
        return dict(value)
