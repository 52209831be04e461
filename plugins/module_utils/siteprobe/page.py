# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the front page as it is handed out: its cookies, and what it loads without encryption."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..markup import elements
from .app import Landing
from .model import Check, Found, Once

# Scripts of a page read many cookies on purpose; those of a session are no business of theirs.
_SESSION = re.compile(r"(?i)sess|(^|[._-])sid$|auth|jwt")
# What a browser refuses to load without encryption, and what it loads or upgrades with a warning.
_BLOCKED = {"script": "src", "iframe": "src", "link": "href", "object": "data", "embed": "src"}
_TOLERATED = {"img": "src", "audio": "src", "video": "src", "source": "src"}
_LOADED_LINKS = ("stylesheet", "modulepreload", "preload", "manifest")
_TOLD = 10


def checks(path: str, landed: Once[Landing]) -> list[Check]:
    """What the page at the path brings along."""
    return [
        Check("site.cookies", f"Cookies of {path}", lambda: _cookies(landed())),
        Check("site.mixed_content", f"{path} loads nothing without encryption", lambda: _mixed(landed())),
    ]


def _no_page(landed: Landing) -> Found:
    return Found("skip", evidence=(f"there is no page to look at: {landed.told}",))


def _cookies(landed: Landing) -> Found:
    if landed.answer.status >= 400:
        return _no_page(landed)
    cookies = landed.cookies
    faults = cookie_faults(cookies)
    return Found(
        "warn" if faults else "pass",
        measured=f"{len(cookies)} set" + (f", {len(faults)} faults" if faults else ""),
        limit="Secure; HttpOnly and SameSite for sessions",
        evidence=tuple(faults[:_TOLD]),
        advice=("tell the app that it is behind HTTPS, so that it sets the flags itself",) if faults else (),
    )


def cookie_faults(cookies: Iterable[str]) -> list[str]:
    """What is missing, by the cookies' names: a value may be a session."""
    faults = []
    for cookie in cookies:
        head, *attributes = cookie.split(";")
        name = head.partition("=")[0].strip()[:80]
        given = {part[0].strip().lower(): part[2].strip().lower() for part in (t.partition("=") for t in attributes)}
        if "secure" not in given:
            refused = given.get("samesite") == "none"
            told = "SameSite=None is refused" if refused else "it is sent over HTTP as well"
            faults.append(f"{name}: without Secure {told}")
        if _SESSION.search(name):
            if "httponly" not in given:
                faults.append(f"{name}: without HttpOnly any script of the page reads it")
            if given.get("samesite") not in ("strict", "lax", "none"):
                faults.append(f"{name}: without SameSite some browsers send it along from foreign pages")
    return faults


def plain_loads(page: str) -> tuple[list[str], list[str]]:
    """What browsers block of a page's loads without encryption, and what they tolerate."""
    blocked: list[str] = []
    tolerated: list[str] = []
    for tag, attributes in elements(page):
        if tag == "link" and not set(attributes.get("rel", "").lower().split()) & set(_LOADED_LINKS):
            continue
        for kinds, found in ((_BLOCKED, blocked), (_TOLERATED, tolerated)):
            address = attributes.get(kinds.get(tag, ""), "").strip()
            if address.lower().startswith("http:"):
                found.append(f"{tag}: {address[:200]}")
    return blocked, tolerated


def _mixed(landed: Landing) -> Found:
    answer = landed.answer
    if not landed.is_page:
        return _no_page(landed)
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
