# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a record may be shown: enough to find the place, nothing of the secret."""

from __future__ import annotations

import re
from collections.abc import Iterable

# No run of this many characters of a secret is ever shown.
_GRAM = 6
_BEFORE = 60
_MASK = "…"
# Words that may be shown: short and of letters, or a short number. Anything else could be a piece of a
# secret.
_WORD = re.compile(r"[^\s\"'`,;:=<>(){}\[\]|/\\@&?!]+")
_PLAIN = re.compile(r"[A-Za-z]{1,5}|\d{1,5}|[A-Za-z]{1,18}(?:[_.-][A-Za-z]{1,18}){0,4}|[-+*#.]{1,3}")


class Redactor:
    """Removes from texts whatever belongs to one of the secrets seen."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._grams: set[str] = set()
        for secret in secrets:
            self.learn(secret)

    def learn(self, secret: str) -> None:
        """Never show a piece of this secret again."""
        secret = secret.lower()
        self._grams.update(secret[i : i + _GRAM] for i in range(len(secret) - _GRAM + 1))

    def line(self, text: str, start: int, end: int) -> str:
        """What leads up to a secret, and how long the secret is."""
        before = text[max(0, start - _BEFORE) : start]
        if start > _BEFORE:
            # The first word may have lost its beginning.
            before = _MASK + before[len(before.split(None, 1)[0]) :] if before.strip() else _MASK
        return f"{self.clean(before)}[{end - start} characters]"

    def clean(self, text: str) -> str:
        """The text without any word that could be, or be a piece of, a secret."""
        if not text.isprintable():
            text = "".join(char if char.isprintable() else " " for char in text)
        shown = _WORD.sub(self._word, text)
        return self._without_grams(shown)

    def _word(self, match: re.Match[str]) -> str:
        return match[0] if _PLAIN.fullmatch(match[0]) else _MASK

    def _without_grams(self, text: str) -> str:
        """Mask also what a secret of several words or with punctuation spells out."""
        lower = text.lower()
        if len(lower) != len(text):
            return _MASK
        hidden = [i for i in range(len(lower) - _GRAM + 1) if lower[i : i + _GRAM] in self._grams]
        if not hidden:
            return text
        chars = list(text)
        for i in hidden:
            chars[i : i + _GRAM] = "\0" * _GRAM
        return re.sub("\0+", _MASK, "".join(chars))
