# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads a user's mapping key by key, so that every mistake is named by its full path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import UserError, nearest

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")


def parse_duration(value: Any, where: str) -> float:
    """Seconds from `90`, `30s`, `1m30s`, `500ms`.

    Raises:
        UserError: It is not a duration, or negative.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return float(value)
    text = str(value).strip()
    if text.isdigit():
        return float(text)
    if not _DURATION.fullmatch(text):
        raise UserError(f"{where}: {value!r} is not a duration; write seconds or a form such as 30s, 1m30s or 2h.")
    return sum(float(n) * _UNITS[u] for n, u in re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text))


class Fields:
    """One mapping of the user's, with the keys it may hold."""

    def __init__(self, value: Any, where: str, known: Iterable[str]) -> None:
        self.where = where
        self._known = tuple(known)
        if not isinstance(value, Mapping):
            raise UserError(f"{where}: expected a mapping with keys such as {', '.join(self._known[:4])}.")
        # Optional keys that templates leave at null count as absent.
        self._values = {k: v for k, v in value.items() if v is not None}
        for key in self._values:
            if key not in self._known:
                hint = nearest(str(key), self._known) or f"; known are {', '.join(sorted(self._known))}"
                raise UserError(f"{self.path(key)}: unknown key{hint}.")

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
            hint = nearest(str(value), options)
            raise UserError(f"{self.path(key)}: {value!r} is none of {', '.join(options)}{hint}.")
        return str(value)

    def flag(self, key: str, default: bool = False) -> bool:
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            raise UserError(f"{self.path(key)}: expected true or false, not {value!r}.")
        return value

    def integer(self, key: str, default: int | None, low: int, high: int) -> int | None:
        value = self._values.get(key, default)
        if value is None:
            return None
        # Templates hand numbers over as text.
        if isinstance(value, str) and value.isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise UserError(f"{self.path(key)}: {value!r} is not a whole number from {low} to {high}.")
        return value

    def number(self, key: str) -> float | None:
        value = self._values.get(key)
        if value is None:
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = 0.0
        if isinstance(value, bool) or number <= 0:
            raise UserError(f"{self.path(key)}: {value!r} is not a number above zero.")
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
                raise UserError(f"{self.path(key)}: every entry must be text, {entry!r} is not.")
        return tuple(str(entry) for entry in self.items(key))

    def command(self, key: str) -> tuple[str, ...]:
        """An argv; a plain string is run by the container's shell, as Compose does it."""
        value = self._values.get(key)
        if isinstance(value, str):
            return ("/bin/sh", "-c", value) if value.strip() else ()
        return self.texts(key)

    def mapping(self, key: str) -> dict[str, Any]:
        value = self._values.get(key, {})
        if not isinstance(value, Mapping):
            raise UserError(f"{self.path(key)}: expected a mapping.")
        return dict(value)
