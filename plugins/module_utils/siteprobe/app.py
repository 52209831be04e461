# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the app behind the site: health, front, speed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from ..errors import UserError
from .model import Check, Found, Target, host_of
from .wire import Answer, fetch

_REDIRECTS = (301, 302, 303, 307, 308)
# A login page is two or three away; a circle never ends.
_MOST_REDIRECTS = 5
_SCRIPT_TYPES = ("text/javascript", "application/javascript", "application/x-javascript")


def checks(
    target: Target, health: Sequence[Mapping[str, Any]], front: Mapping[str, Any], api: str, max_ms: float
) -> list[Check]:
    """What the app answers; `api` is a path at which its server answers, empty for none."""
    found = [_health_check(target, wanted) for wanted in health]
    if front.get("path"):
        found.append(Check("site.front", f"The app's page at {front['path']}", lambda: _front(target, front)))
    if api:
        found.append(Check("site.origin", "The app knows the site's address", lambda: _origin(target, api)))
    found.append(Check("site.speed", "Time to the first byte", lambda: _speed(target, max_ms)))
    return found


def _health_check(target: Target, wanted: Mapping[str, Any]) -> Check:
    path = str(wanted["path"])
    name = re.sub(r"[^a-z0-9]+", "_", path.lower()).strip("_") or "root"
    return Check(f"site.health.{name}", f"Health of {path}", lambda: _health(target, path, wanted.get("expect") or {}))


def _health(target: Target, path: str, expect: Mapping[str, Any]) -> Found:
    """The JSON, not the status alone: a front answers any path with its page and 200."""
    answer = fetch(target, path, headers={"Accept": "application/json"})
    limit = "200 with " + (", ".join(f"{key}: {value}" for key, value in expect.items()) or "JSON")
    try:
        body = answer.json()
    except ValueError:
        told = "HTML, most likely the front's page" if answer.content_type == "text/html" else "no JSON"
        return Found(
            "fail",
            measured=f"{answer.status}, {told}",
            limit=limit,
            advice=(f"route {path} to the service that knows its health, or correct the path in verify_health",),
        )
    wrong = [
        f"{key}: {_seen(body, key)!r}, expected {value!r}" for key, value in expect.items() if _seen(body, key) != value
    ]
    bad = answer.status != 200 or wrong
    told = ", ".join(f"{key}: {_seen(body, key)}" for key in expect)
    return Found(
        "fail" if bad else "pass",
        measured=f"{answer.status}{', ' if told else ''}{told}",
        limit=limit,
        evidence=tuple(wrong),
        advice=("see the service's log",) if bad else (),
    )


def _seen(body: Any, key: str) -> Any:
    """A value by its dotted path, such as `info.database.status`."""
    for part in key.split("."):
        if not isinstance(body, Mapping) or part not in body:
            return None
        body = body[part]
    return body[:80] if isinstance(body, str) else body


def _origin(target: Target, path: str) -> Found:
    """What a server says of origins shows the address that it was told, such as SERVER_URL, while / is green."""
    headers = fetch(target, path, headers={"Origin": target.url}).headers
    allowed = str(headers.get("Access-Control-Allow-Origin") or "")
    if allowed in ("*", target.url):
        return Found("pass", measured=allowed, limit=target.url)
    chooses = "origin" in ",".join(str(value) for value in headers.get_all("Vary") or []).lower()
    if not allowed and not chooses:
        return Found("skip", evidence=(f"{path} says nothing about origins",))
    return Found(
        "fail",
        measured=allowed or "another address",
        limit=target.url,
        evidence=(f"{path} was asked by a page of {target.url}, and does not take it for one of its own",),
        advice=(f"set the address that the app was given, such as SERVER_URL, to {target.url}",),
    )


def landing(target: Target, path: str) -> tuple[Answer, str]:
    """The answer to which redirects within the site lead, and its path."""
    answer = fetch(target, path, headers={"Accept": "text/html"})
    for _ in range(_MOST_REDIRECTS):
        next_path = _path_within(target, joined(target.url + path, answer.headers.get("Location", "")))
        if answer.status not in _REDIRECTS or not next_path:
            break
        path = next_path
        answer = fetch(target, path, headers={"Accept": "text/html"})
    return answer, path


class _Scripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.base = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "script" and values.get("src"):
            self.sources.append(values["src"] or "")
        if tag == "base":
            self.base = values.get("href") or ""


def scripts(page: str, url: str) -> list[str]:
    """The addresses of a page's scripts, made absolute."""
    parser = _Scripts()
    # What Python's parser cannot read ends the page; a browser reads on, and the scripts before it count.
    with contextlib.suppress(AssertionError):
        parser.feed(page)
    base = joined(url, parser.base) or url
    return [found for source in parser.sources if (found := joined(base, source))]


def joined(base: str, address: str) -> str:
    """An address on a page, made absolute; empty for a malformed one, which a browser does not load either."""
    try:
        return urljoin(base, address)
    except ValueError:
        return ""


def _front(target: Target, front: Mapping[str, Any]) -> Found:
    """The page to which the site leads, and its script: after a half release it asks for a script that is gone."""
    path, pattern = str(front["path"]), str(front.get("script") or r"\.m?js")
    answer, path = landing(target, path)
    location = joined(target.url + path, answer.headers.get("Location", ""))
    if answer.status in _REDIRECTS and not _path_within(target, location):
        return _no_front(f"{answer.status} to {location or 'nowhere'}, which is not of this site")
    if answer.status != 200 or answer.content_type != "text/html":
        return _no_front(f"{answer.status}, {answer.content_type} at {path}")
    text = front.get("text")
    if text and text not in answer.text:
        return _no_front(f"a page without {text!r}")
    try:
        found = [url for url in scripts(answer.text, target.url + path) if re.search(pattern, url)]
    except re.error as error:
        raise UserError(f"front.script: {pattern!r} is no regular expression ({error})")
    if not found:
        return _no_front("a page without the app's script")
    return _script(target, found[0])


def _script(target: Target, url: str) -> Found:
    path = _path_within(target, url)
    if not path:
        return Found("pass", measured="page with script", limit="page with script", evidence=(f"{url} is elsewhere",))
    script: Answer = fetch(target, path)
    if script.status != 200 or script.content_type not in _SCRIPT_TYPES:
        return _no_front(f"{path} answers {script.status}, {script.content_type}")
    return Found("pass", measured="page with script", limit="page with script", evidence=(path,))


def _path_within(target: Target, url: str) -> str:
    """Path and query of an address of the site; empty for one that is elsewhere."""
    if host_of(url) not in (target.domain.lower(), *(alias.lower() for alias in target.aliases)):
        return ""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _no_front(measured: str) -> Found:
    return Found(
        "fail",
        measured=measured,
        limit="page with script",
        advice=(
            "see whether the front's service runs the release that the page belongs to, and the route to it",
            "for an app without a page there, set verify_front.path to a page that it has, or to '' where it has none",
        ),
    )


def _speed(target: Target, max_ms: float) -> Found:
    answer = fetch(target, "/")
    total = sum(ms for _, ms in answer.timings)
    slow = bool(max_ms) and total > max_ms
    return Found(
        "warn" if slow else "pass",
        measured=f"{total:.0f} ms",
        limit=f"{max_ms:.0f} ms" if max_ms else None,
        advice=("measure again from the users' network before acting on it",) if slow else (),
        details={
            "timings": [{"label": label, "ms": round(ms, 2)} for label, ms in answer.timings],
            "limit_ms": max_ms,
        },
    )
