# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a browser tells of one page, kept in bounds and judged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ..results import Status
from .model import Found, host_of

_TOLD = 20
# Without them a page is not the page.
_VITAL = ("Script", "Stylesheet")
_QUESTIONS = ("XHR", "Fetch", "EventSource", "WebSocket", "Ping", "Other", "Preflight")
_MOST_REQUESTS = 5000


@dataclass
class Visit:
    """Events of a page as they come.

    `dead` is what leaves a page useless, `faults` is what a developer would mend, `remarks` is no verdict.
    """

    hosts: tuple[str, ...]
    dead: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    requests: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Address and kind of each request, by its id."""
    open: set[str] = field(default_factory=set)
    frame: str = ""
    loaded: bool = False
    disturbed: bool = False
    """Whether the network of the machine that looks changed meanwhile, for which no site is to blame."""

    @property
    def at_rest(self) -> bool:
        return self.loaded and not self.open

    def heed(self, method: str, params: Mapping[str, Any]) -> None:
        """Take in one event of the browser."""
        handlers: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "Network.requestWillBeSent": self._asked,
            "Network.responseReceived": self._answered,
            "Network.loadingFinished": lambda p: self.open.discard(str(p.get("requestId"))),
            "Network.loadingFailed": self._failed,
            "Page.loadEventFired": self._fired,
            "Runtime.exceptionThrown": self._threw,
            "Runtime.consoleAPICalled": self._said,
            "Log.entryAdded": self._logged,
            "Audits.issueAdded": self._issue,
        }
        handler = handlers.get(method)
        if handler:
            handler(params)

    def _fired(self, params: Mapping[str, Any]) -> None:
        self.loaded = True

    def _asked(self, params: Mapping[str, Any]) -> None:
        id, kind = str(params.get("requestId")), str(params.get("type"))
        if len(self.requests) < _MOST_REQUESTS:
            frame = str(params.get("frameId"))
            self.frame = self.frame or frame
            if kind == "Document" and frame != self.frame:
                kind = "Frame"
            self.requests[id] = (address(str((params.get("request") or {}).get("url"))), kind)
            # These are open as long as a page wants.
            if kind not in ("EventSource", "WebSocket"):
                self.open.add(id)

    def _answered(self, params: Mapping[str, Any]) -> None:
        response, id = params.get("response") or {}, str(params.get("requestId"))
        status = int(response.get("status") or 0)
        if status >= 400:
            self._unserved(id, f"answers {status}", status)
        elif response.get("mimeType") == "text/html" and self.requests.get(id, ("", ""))[1] in _VITAL:
            self._unserved(id, "answers with a page", status)

    def _failed(self, params: Mapping[str, Any]) -> None:
        id = str(params.get("requestId"))
        self.open.discard(id)
        # What a policy blocks is an issue of its own, and a page may end its own requests.
        if not params.get("canceled") and not params.get("blockedReason"):
            told = str(params.get("errorText") or "fails")
            self.disturbed = self.disturbed or told == "net::ERR_NETWORK_CHANGED"
            self._unserved(id, told, 0)

    def _unserved(self, id: str, what: str, status: int) -> None:
        url, kind = self.requests.get(id, ("", ""))
        told = f"{kind.lower()}: {url} {what}"
        own = host_of(url) in self.hosts
        if kind == "Document" or (kind in _VITAL and own):
            _add(self.dead, told)
        elif kind in _QUESTIONS and 400 <= status < 500:
            # An app asks who it is for, and hears that it is nobody.
            _add(self.remarks, told)
        else:
            _add(self.faults, told)

    def _threw(self, params: Mapping[str, Any]) -> None:
        details = params.get("exceptionDetails") or {}
        thrown = (details.get("exception") or {}).get("description") or details.get("text") or "unknown"
        _add(self.faults, f"exception: {str(thrown).splitlines()[0] if str(thrown).strip() else 'unknown'}")

    def _said(self, params: Mapping[str, Any]) -> None:
        if params.get("type") in ("error", "assert"):
            texts = [str(a.get("value", a.get("description", ""))) for a in params.get("args") or []]
            _add(self.faults, f"console: {' '.join(texts)}")

    def _logged(self, params: Mapping[str, Any]) -> None:
        entry = params.get("entry") or {}
        # Requests and policies tell for themselves.
        if entry.get("level") == "error" and entry.get("source") not in ("network", "security"):
            _add(self.faults, f"console: {entry.get('text', '')}")

    def _issue(self, params: Mapping[str, Any]) -> None:
        details = ((params.get("issue") or {}).get("details") or {}).get("contentSecurityPolicyIssueDetails")
        if not details:
            return
        directive = str(details.get("violatedDirective"))
        told = f"{directive}: {address(str(details.get('blockedURL') or 'inline'))}"
        if details.get("isReportOnly"):
            _add(self.remarks, f"would be blocked, {told}")
        else:
            _add(self.dead if directive.startswith("script-src") else self.faults, f"blocked, {told}")

    def found(self, seen: str, limit: str, picture: str) -> Found:
        """The verdict, with the page's own measures as JSON and a picture as base64 of a JPEG."""
        measures = json.loads(seen)
        blank = not measures["text"] and not measures["drawn"]
        dead = [*(["nothing is to be seen"] if blank else []), *self.dead]
        if not self.loaded:
            dead.append("it did not load to its end in time")
        status: Status = "fail" if dead else "warn" if self.faults else "pass"
        advice = []
        if any(line.startswith("blocked") for line in (*dead, *self.faults)):
            advice.append("let the policy allow it (nginx_certbot_csp), or let the app set its own")
        if status != "pass":
            advice.append("open the page in a browser and look at its console; the report has a picture of it")
        return Found(
            status,
            measured=dead[0] if dead else f"{len(self.faults)} faults" if self.faults else self._rendered(measures),
            limit=limit,
            evidence=(*dead, *self.faults, *self.remarks)[: 2 * _TOLD],
            advice=tuple(advice),
            details={"picture": picture},
        )

    def _rendered(self, measures: Mapping[str, Any]) -> str:
        return f"{measures['text']} letters, {measures['drawn']} drawn, {len(self.requests)} requests"


def address(url: str) -> str:
    """An address without its query, in which a session may be; of one that holds its content, the kind alone."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a malformed address"
    if not parts.netloc:
        return url.partition(":")[0][:80]
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:200]


def _add(lines: list[str], line: str) -> None:
    line = line[:300]
    if len(lines) < _TOLD and line not in lines:
        lines.append(line)
