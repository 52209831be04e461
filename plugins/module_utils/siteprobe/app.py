# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the app behind the site: health, front, speed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..errors import UserError
from ..markup import joined, scripts
from .model import Check, Found, Once, Target, host_of
from .wire import Answer, fetch

_REDIRECTS = (301, 302, 303, 307, 308)
# A login page is two or three away; a circle never ends.
_MOST_REDIRECTS = 5
_SCRIPT_TYPES = ("text/javascript", "application/javascript", "application/x-javascript")


def checks(
    target: Target,
    health: Sequence[Mapping[str, Any]],
    front: Mapping[str, Any],
    landed: Once[Landing],
    api: str,
    max_ms: float,
) -> list[Check]:
    """What the app answers; `api` is a path at which its server answers, empty for none."""
    found = [_health_check(target, wanted) for wanted in health]
    if front.get("path"):
        found.append(Check("site.front", f"The app's page at {front['path']}", lambda: _front(target, front, landed())))
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


@dataclass(frozen=True)
class Landing:
    """The answer to which a path leads, where it is, and the cookies that were set on the way."""

    answer: Answer
    path: str
    cookies: tuple[str, ...] = ()

    @property
    def is_page(self) -> bool:
        return self.answer.status == 200 and self.answer.content_type == "text/html"

    @property
    def told(self) -> str:
        return f"{self.answer.status}, {self.answer.content_type} at {self.path}"


def landing(target: Target, path: str) -> Landing:
    """Where redirects within the site lead from a path."""
    cookies: list[str] = []
    for hop in range(_MOST_REDIRECTS + 1):
        answer = fetch(target, path, headers={"Accept": "text/html"})
        cookies += [str(value) for value in answer.headers.get_all("Set-Cookie") or []]
        next_path = _path_within(target, joined(target.url + path, answer.headers.get("Location", "")))
        if answer.status not in _REDIRECTS or not next_path or hop == _MOST_REDIRECTS:
            break
        path = next_path
    return Landing(answer, path, tuple(cookies))


def _front(target: Target, front: Mapping[str, Any], landed: Landing) -> Found:
    """The page to which the site leads, and its script: after a half release it asks for a script that is gone."""
    answer, path, pattern = landed.answer, landed.path, str(front.get("script") or r"\.m?js")
    location = joined(target.url + path, answer.headers.get("Location", ""))
    if answer.status in _REDIRECTS and not _path_within(target, location):
        return _no_front(f"{answer.status} to {location or 'nowhere'}, which is not of this site")
    if not landed.is_page:
        return _no_front(landed.told)
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
        evidence = (f"{url} is another host's, and was not asked for",)
        return Found("pass", measured="page with a script from elsewhere", limit="page with script", evidence=evidence)
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
    if answer.status >= 500:
        return Found("skip", evidence=(f"/ answers {answer.status}, and how fast an error comes says nothing",))
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
