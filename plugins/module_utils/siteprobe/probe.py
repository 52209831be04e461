# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All checks of a site, run side by side."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import UserError
from ..results import GateResult
from ..secretvalues.redaction import Redactor
from . import app, browser, encryption, guards, page, web
from .login import Login
from .model import Check, Once, Target, unanswered

# Few enough for a small server, and below any sensible limit on connections.
_PARALLEL = 6
# Of an answer that is quoted.
_MOST_TEXT = 2000
_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\.?", re.IGNORECASE)


@dataclass(frozen=True)
class Wishes:
    """What is to be checked."""

    target: Target
    login: Login
    addresses: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    health: Sequence[Mapping[str, Any]] = ()
    front: Mapping[str, Any] = field(default_factory=dict)
    max_ms: float = 0
    min_days: float = 0
    rate_limit: Mapping[str, Any] = field(default_factory=dict)
    closed_ports: Sequence[int] = ()
    browser: str = browser.NEVER


def check_input(wishes: Wishes) -> None:
    """Refuse what cannot be probed, before anything is sent.

    Raises:
        UserError: A setting has a wrong form.
    """
    target = wishes.target
    for name in (target.domain, *target.aliases):
        if not _DOMAIN.fullmatch(name):
            raise UserError(
                f"domain: {name!r} is not a domain name; write one such as crm.example.com, without https://"
            )
    if target.resolve_to:
        try:
            ipaddress.ip_address(target.resolve_to)
        except ValueError:
            raise UserError(f"resolve_to: {target.resolve_to!r} is not an IP address; leave it empty to use DNS")
    for name, pattern in wishes.headers.items():
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(f"headers: the expression for {name} is malformed ({error})")
    paths = [wish.get("path") for wish in (*wishes.health, *wishes.login.steps)]
    paths += [wish["path"] for wish in (wishes.front, wishes.rate_limit) if wish.get("path")]
    for path in paths:
        if not str(path or "").startswith("/"):
            raise UserError(f"path: {path!r} does not begin with a slash; write it as in /api/health")


def _careful(target: Target) -> Target:
    """Without the preview's password where whoever answers is not who they say."""
    with contextlib.suppress(OSError):
        if not target.authorization or not encryption.trusted_for_secrets(target):
            return target
    return replace(target, authorization="")


def probe(wishes: Wishes) -> list[GateResult]:
    """Every check's result, in the order of a reader's interest, without a secret in any of them.

    Raises:
        UserError: A setting has a wrong form.
    """
    check_input(wishes)
    results = _look(wishes)
    redact = Redactor([*wishes.login.hidden, *_credentials(wishes.target)])
    told: list[GateResult] = []
    for result in results:
        # A picture is no text.
        picture = (result.get("details") or {}).pop("picture", "")
        told.append(_told(result, lambda text: redact(wishes.login.redacted(text))))
        if picture:
            told[-1].setdefault("details", {})["picture"] = picture
    return told


def _credentials(target: Target) -> list[str]:
    """The preview's header, what it encodes, and the password in that."""
    encoded = target.authorization.rpartition(" ")[2]
    try:
        login = base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
    except ValueError:
        return [encoded]
    return [encoded, login, login.partition(":")[2]]


def _told(value: Any, redact: Callable[[str], str]) -> Any:
    """The same with every text redacted, of a length for people, and such as can be written as UTF-8."""
    if isinstance(value, str):
        return redact(value.encode("utf-8", "replace").decode())[:_MOST_TEXT]
    if isinstance(value, Mapping):
        return {key: _told(item, redact) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_told(item, redact) for item in value]
    return value


def _look(wishes: Wishes) -> list[GateResult]:
    target = _careful(wishes.target)
    reach = Check("site.reachable", f"{target.url} answers", lambda: web.reachable(target))
    first = _look_again([reach], [reach.result()])[0]
    dns, *further = web.checks(target, wishes.addresses, wishes.headers)
    api = str(wishes.login.steps[0]["path"]) if wishes.login.steps else ""
    path = str(wishes.front.get("path") or "")
    landed = Once(lambda: app.landing(target, path))
    checks = [
        *(browser.check(target, path, wishes.browser) if path else ()),
        # The longest wait first: a firewall lets connections run into their time-out.
        *guards.closed_ports(target, wishes.closed_ports),
        *further,
        *app.checks(target, wishes.health, wishes.front, landed, api, wishes.max_ms),
        *(page.checks(path, landed) if path else ()),
        *wishes.login.check(target),
        *encryption.checks(target, wishes.min_days),
    ]
    # Last and alone: what follows a burst would be refused as well.
    burst = guards.rate_limit(
        target, str(wishes.rate_limit.get("path") or "/"), int(wishes.rate_limit.get("requests") or 0)
    )
    results = [dns.result(), first]
    # A proxy that answers 502 still has a certificate and headers to look at.
    if first["status"] == "fail" and not str(first["measured"]).startswith("HTTP "):
        return [*results, *(check.skipped(f"{target.url} does not answer") for check in (*checks, *burst))]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        looked = list(pool.map(Check.result, checks))
    landed.again()
    return [*results, *_look_again(checks, looked), *(check.result() for check in burst)]


def _look_again(checks: Sequence[Check], results: list[GateResult]) -> list[GateResult]:
    """A second look, by itself, at what did not answer in time: a site is not down because all was asked of it at once.

    The first check that is silent once more ends it, for a site that is down would let each run into its time-out.
    """
    for place, (check, result) in enumerate(zip(checks, results, strict=True)):
        if not unanswered(result):
            continue
        second = check.result()
        if unanswered(second):
            break
        second["evidence"] = [*second.get("evidence", []), "answered in time only when asked again"]
        results[place] = second
    return results
