# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A private key that a log gives line by line, put together again."""

from __future__ import annotations

import re
from collections.abc import Iterator

# The first line of a key, its headers and its text.
_HEAD = re.compile(r"(?P<head>.*-----)(?:\\n)?(?:\s*$|[\"'])", re.DOTALL)
_HEADER = re.compile(r"[A-Z][A-Za-z-]{2,19}: [^\s\"].{0,80}$")
_BODY = re.compile(r"(?<![^\s\"'|])[A-Za-z0-9+/]{40,}={0,2}(?![^\s\"'\\])")
_OTHER_END = ("-----BEGIN", "-----END")
# A line of so many words is none of a key's, and ends it.
_SENTENCE = 5


def together(text: str, after: tuple[str, ...]) -> Iterator[str]:
    """A line and those after it as one text: as they are, then each without what a logger put around the key."""
    end = next((place for place, line in enumerate(after) if any(map(line.__contains__, _OTHER_END))), len(after))
    after = after[:end]
    if after:
        yield "\n".join([text, *after])
        if head := _HEAD.match(text):
            yield "\n".join([head["head"], *map(_bare, after)])


def _bare(line: str) -> str:
    found = max(_BODY.findall(line), key=len, default="")
    if found:
        return found
    if header := _HEADER.search(line):
        return header[0]
    return "-" if len(line.split()) >= _SENTENCE else ""
