# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A private key that a log gives line by line, put together again."""

from __future__ import annotations

import re
from collections.abc import Iterator

# The first line of a key, its headers and its text.
_HEAD = re.compile(r".*-----", re.DOTALL)
_HEADER = re.compile(r"[A-Z][A-Za-z-]{2,19}: [^\s\"].{0,80}$")
_BODY = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")


def together(text: str, after: tuple[str, ...]) -> Iterator[str]:
    """A line and those after it as one text: as they are, then each without what a logger put around the key."""
    if after:
        yield "\n".join([text, *after])
        head = _HEAD.match(text)
        yield "\n".join([head[0] if head else text, *map(_bare, after)])


def _bare(line: str) -> str:
    found = max(_BODY.findall(line), key=len, default="")
    header = _HEADER.search(line)
    return found or (header[0] if header else "")
