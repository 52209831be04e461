# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The front page as a browser meets it: what is blocked, what fails, whether anything is there to see."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..errors import BrowserError
from .certificate import public_key
from .devtools import Browser, find
from .encryption import certificate_served, trusted_for_secrets
from .model import Check, Found, Target, host_of
from .visit import Visit

NEVER, AUTO = "never", "auto"
_LIMIT = "renders, nothing blocked, no error"
# A page is at rest when nothing was asked for or told for so long.
_REST = 0.4
_TRIES = 3
_WIDTH, _HEIGHT = 1280, 800
_DOMAINS = ("Page", "Network", "Log", "Runtime", "Audits")
_LOOK = """JSON.stringify({
  text: (document.body ? document.body.innerText : "").trim().length,
  drawn: [...document.querySelectorAll("img, svg, canvas, video, input, button, iframe")]
    .filter((element) => element.getClientRects().length).length,
})"""


def check(target: Target, path: str, wanted: str) -> list[Check]:
    """The page at a path in the browser that is wanted: `auto`, `never`, or a Chromium's path or command."""
    if wanted == NEVER:
        return []
    return [Check("site.browser", f"{path} in a browser", lambda: _look(target, path, wanted))]


def _look(target: Target, path: str, wanted: str) -> Found:
    chromium = find("" if wanted == AUTO else wanted)
    if not chromium and wanted == AUTO:
        return Found(
            "skip", evidence=("no Chromium is installed where the probe runs; on Debian: apt install chromium",)
        )
    if not chromium:
        advice = ("install it where the play is run, or set verify_browser to auto or never",)
        return Found("fail", measured=f"there is no {wanted}", limit=_LIMIT, advice=advice)
    distrust = trusted_for_secrets(target)
    if distrust:
        return Found("skip", evidence=(f"not opened: {distrust}",))
    try:
        for _ in range(_TRIES):
            if found := _visit(target, path, chromium):
                return found
        raise BrowserError("the network of the machine that looks changed at each try")
    except (BrowserError, ValueError, KeyError, TypeError) as error:
        told = str(error) if isinstance(error, BrowserError) else f"it answers oddly ({type(error).__name__})"
        if wanted == AUTO:
            return Found("skip", evidence=(f"{chromium} could not look at the page: {told}",))
        return Found("fail", measured="not measured", limit=_LIMIT, evidence=(f"{chromium}: {told}",))


def _flags(target: Target) -> list[str]:
    """Where the name leads, and that the very key that was judged by the target's authorities is a good one."""
    digest = hashlib.sha256(public_key(certificate_served(target))).digest()
    flags = [f"--ignore-certificate-errors-spki-list={base64.b64encode(digest).decode()}"]
    if target.resolve_to:
        address = f"[{target.resolve_to}]" if ":" in target.resolve_to else target.resolve_to
        rules = ", ".join(f"MAP {name} {address}" for name in (target.domain, *target.aliases))
        flags.append(f"--host-resolver-rules={rules}")
    return flags


def _visit(target: Target, path: str, chromium: str) -> Found | None:
    """What the browser finds; nothing where it was disturbed."""
    deadline = time.monotonic() + 20 + 3 * target.timeout
    visit = Visit((target.domain.lower(), *(alias.lower() for alias in target.aliases)))
    asked: list[tuple[str, Mapping[str, Any]]] = []

    def heed(method: str, params: Mapping[str, Any]) -> None:
        visit.heed(method, params)
        if method in ("Fetch.requestPaused", "Fetch.authRequired"):
            asked.append((method, params))

    with Browser(chromium, _flags(target), deadline, heed) as browser:
        browser.open_page()
        for domain in _DOMAINS:
            browser.call(f"{domain}.enable")
        size = {"width": _WIDTH, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        browser.call("Emulation.setDeviceMetricsOverride", size)
        if target.authorization:
            site = [{"urlPattern": f"{target.url}/*"}]
            browser.call("Fetch.enable", {"patterns": site, "handleAuthRequests": True})
        browser.tell("Page.navigate", {"url": target.url + path})
        end = time.monotonic() + 3 * target.timeout
        while time.monotonic() < end:
            heard = browser.wait(_REST)
            while asked:
                browser.tell(*_answer(target, *asked.pop(0)))
            if not heard and visit.at_rest:
                break
        seen = browser.call("Runtime.evaluate", {"expression": _LOOK})["result"]["value"]
        picture = browser.call("Page.captureScreenshot", {"format": "jpeg", "quality": 40})["data"]
    return None if visit.disturbed else visit.found(str(seen), _LIMIT, str(picture))


def _answer(target: Target, method: str, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The preview's password for the site alone, and once for each request."""
    given = {"requestId": params["requestId"]}
    if method == "Fetch.requestPaused":
        return "Fetch.continueRequest", given
    challenge = params.get("authChallenge") or {}
    parts = urlsplit(str(challenge.get("origin")))
    own = parts.scheme == "https" and host_of(parts.geturl()) == target.domain.lower()
    if not own or challenge.get("source") == "Proxy":
        return "Fetch.continueWithAuth", {**given, "authChallengeResponse": {"response": "CancelAuth"}}
    user, _, password = base64.b64decode(target.authorization.rpartition(" ")[2]).decode().partition(":")
    response = {"response": "ProvideCredentials", "username": user, "password": password}
    return "Fetch.continueWithAuth", {**given, "authChallengeResponse": response}
