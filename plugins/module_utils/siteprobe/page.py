# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the front page as it is handed out: its cookies, and what it loads without encryption."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from html.parser import HTMLParser

from .app import landing
from .model import Check, Found, Target

# Scripts of a page read many cookies on purpose; those of a session are no business of theirs.
_SESSION = re.compile(r"(?i)sess|(^|[._-])sid$|auth|jwt")
# What a browser refuses to load without encryption, and what it loads or upgrades with a warning.
_BLOCKED = {"script": "src", "iframe": "src", "link": "href", "object": "data", "embed": "src"}
_TOLERATED = {"img": "src", "audio": "src", "video": "src", "source": "src"}
_LOADED_LINKS = ("stylesheet", "modulepreload", "preload", "manifest")
_TOLD = 10


def checks(target: Target, path: str) -> list[Check]:
    """What the page at the path brings along."""
    return [
        Check("site.cookies", f"Cookies of {path}", lambda: _cookies(target, path)),
        Check("site.mixed_content", f"{path} loads nothing without encryption", lambda: _mixed(target, path)),
    ]


def _cookies(target: Target, path: str) -> Found:
    answer, _ = landing(target, path)
    cookies = [str(value) for value in answer.headers.get_all("Set-Cookie") or []]
    faults = cookie_faults(cookies)
    return Found(
        "warn" if faults else "pass",
        measured=f"{len(cookies)} set" + (f", {len(faults)} faults" if faults else ""),
        limit="Secure; HttpOnly for sessions",
        evidence=tuple(faults[:_TOLD]),
        advice=("tell the app that it is behind HTTPS, so that it sets the flags itself",) if faults else (),
    )


def cookie_faults(cookies: Iterable[str]) -> list[str]:
    """What is missing, by the cookies' names: a value may be a session."""
    faults = []
    for cookie in cookies:
        head, *attributes = cookie.split(";")
        name = head.partition("=")[0].strip()[:80]
        given = {text.partition("=")[0].strip().lower() for text in attributes}
        if "secure" not in given:
            faults.append(f"{name}: without Secure it is sent over HTTP as well")
        if "httponly" not in given and _SESSION.search(name):
            faults.append(f"{name}: without HttpOnly any script of the page reads it")
    return faults


class _Plain(HTMLParser):
    """Addresses without encryption that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.blocked: list[str] = []
        self.tolerated: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        for kinds, found in ((_BLOCKED, self.blocked), (_TOLERATED, self.tolerated)):
            address = (values.get(kinds.get(tag, "")) or "").strip()
            if tag == "link" and not set((values.get("rel") or "").lower().split()) & set(_LOADED_LINKS):
                continue
            if address.lower().startswith("http:"):
                found.append(f"{tag}: {address[:200]}")


def plain_loads(page: str) -> tuple[list[str], list[str]]:
    """What browsers block of a page's loads without encryption, and what they tolerate."""
    parser = _Plain()
    # What Python's parser cannot read ends the page; what came before it counts.
    with contextlib.suppress(AssertionError):
        parser.feed(page)
    return parser.blocked, parser.tolerated


def _mixed(target: Target, path: str) -> Found:
    answer, _ = landing(target, path)
    policies = ",".join(str(value) for value in answer.headers.get_all("Content-Security-Policy") or [])
    upgraded = "upgrade-insecure-requests" in policies.lower()
    blocked, tolerated = ([], []) if upgraded else plain_loads(answer.text)
    return Found(
        "fail" if blocked else "warn" if tolerated else "pass",
        measured=f"{len(blocked) + len(tolerated)} addresses with http:" if blocked or tolerated else "nothing",
        limit="nothing",
        evidence=(*blocked, *tolerated)[:_TOLD],
        advice=("tell the app its address with https://, and load foreign files over HTTPS",)
        if blocked or tolerated
        else (),
    )
