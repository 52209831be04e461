# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The elements of a page, found in time that grows with its length alone, whatever it holds.

html.parser takes minutes for a hundred kilobytes of tags that never end.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import urljoin

_OPENING = re.compile(r"<(?:(!--)|([a-zA-Z][^\s/>]{0,30}))")
_ATTRIBUTE = re.compile(r"""[\s/]*([^\s/>=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*)))?""")
_UNCLOSED = re.compile(r"""\s*=\s*["']""")
# Their content is text to a browser that runs scripts.
_RAW = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("script", "style", "textarea", "title", "noscript", "iframe")
}
_MOST_ELEMENTS = 50_000
_MOST_ATTRIBUTES = 200
_MOST_VALUE = 2000


def elements(page: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each element's name and attributes in lower case, up to 50,000 of them; values are cut at 2000 characters."""
    return ((name, attributes) for name, attributes, _text in _with_texts(page))


def inline_scripts(page: str) -> Iterator[str]:
    """The scripts that a page carries in itself, as they stand there; one that never ends is none to a browser."""
    for name, attributes, text in _with_texts(page):
        if name == "script" and "src" not in attributes and text is not None:
            yield text


def _with_texts(page: str) -> Iterator[tuple[str, dict[str, str], str | None]]:
    """Elements with their content where that is text, None where it is not or never ends."""
    position = 0
    for _ in range(_MOST_ELEMENTS):
        opening = _OPENING.search(page, position)
        if not opening:
            return
        if opening[1]:
            position = page.find("-->", opening.start() + 2)
            if position < 0:
                return
            continue
        name = opening[2].lower()
        attributes, position = _attributes(page, opening.end())
        if name not in _RAW:
            yield name, attributes, None
            continue
        begin = page.find(">", position) + 1 or len(page)
        closing = _RAW[name].search(page, begin)
        yield name, attributes, page[begin : closing.start()] if closing else None
        if not closing:
            return
        position = closing.end()


def _attributes(page: str, position: int) -> tuple[dict[str, str], int]:
    found: dict[str, str] = {}
    for _ in range(_MOST_ATTRIBUTES):
        match = _ATTRIBUTE.match(page, position)
        if not match:
            # A quote that never closes takes the rest of the page.
            return found, len(page) if _UNCLOSED.match(page, position) else position
        value = match[2] or match[3] or match[4] or ""
        # The first of several counts, as in a browser.
        found.setdefault(match[1][:100].lower(), html.unescape(value[:_MOST_VALUE]))
        position = match.end()
    return found, position


def joined(base: str, address: str) -> str:
    """An address on a page, made absolute; empty for a malformed one, which a browser does not load either."""
    try:
        return urljoin(base, address)
    except ValueError:
        return ""


def scripts(page: str, url: str) -> list[str]:
    """The addresses of a page's scripts, made absolute."""
    sources, base = [], ""
    for name, attributes in elements(page):
        if name == "script" and attributes.get("src"):
            sources.append(attributes["src"])
        if name == "base" and not base:
            base = attributes.get("href", "")
    base = joined(url, base) or url
    return [found for source in sources if (found := joined(base, source))]
