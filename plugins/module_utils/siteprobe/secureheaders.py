# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The headers that a site should send with each answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .model import Found, Target
from .wire import Answer, fetch

_NOT_THERE = "/sluice-verify/there-is-no-such-page"
_PRELOAD_SECONDS = 31536000
# A policy that is only tried out is on its way.
_POLICY = "Content-Security-Policy"


def look(target: Target, wanted: Mapping[str, str]) -> Found:
    """On a page and on an error alike: nginx drops inherited headers where one forgets."""
    if not wanted:
        return Found("skip", evidence=("no header is asked for: verify_headers is empty",))
    answers = {path: fetch(target, path) for path in ("/", _NOT_THERE)}
    faults = [f"{path}: {fault}" for path, answer in answers.items() for fault in header_faults(answer, wanted)]
    headers = answers["/"].headers
    tried = all(_POLICY in fault and headers.get(f"{_POLICY}-Report-Only") for fault in faults)
    server, transport = headers.get("Server", ""), headers.get("Strict-Transport-Security", "")
    telling = bool(re.search(r"\d", server))
    bad = len({fault.split(": ", 2)[1] for fault in faults})
    return Found(
        "fail" if faults and not tried else "warn" if faults or telling else "pass",
        measured=f"{len(wanted) - bad} of {len(wanted)}",
        limit=f"{len(wanted)}, as they should be",
        evidence=tuple(faults)
        + ((f"Server tells its version: {server}",) if telling else ())
        + ((f"HSTS preload list: {preload_gap(transport)}",) if transport else ()),
        advice=("enforce the policy once browsers report nothing",)
        if faults and tried
        else _advice(faults)
        if faults
        else ("server_tokens off",)
        if telling
        else (),
    )


def _advice(faults: Sequence[str]) -> tuple[str, ...]:
    policy = [fault for fault in faults if f"{_POLICY}: " in fault]
    own = ("set the policy in nginx_certbot_csp, or leave it to the app with nginx_certbot_csp_mode: app",)
    others = (
        "set the others in nginx_certbot_security_headers;"
        " in an nginx of your own add each with always, in one place that every location includes",
    )
    return (own if policy else ()) + (others if len(policy) < len(faults) else ())


def preload_gap(value: str) -> str:
    """What a Strict-Transport-Security header lacks for the browsers' preload list; `ready` for nothing."""
    directives = {
        text.partition("=")[0].strip().lower(): text.partition("=")[2].strip(' "') for text in value.split(";")
    }
    age = directives.get("max-age", "")
    long_enough = age.isascii() and age.isdigit() and len(age) < 20 and int(age) >= _PRELOAD_SECONDS
    missing = [name for name in ("includesubdomains", "preload") if name not in directives]
    gaps = ([] if long_enough else [f"max-age={_PRELOAD_SECONDS}"]) + missing
    return f"lacks {', '.join(gaps)}; only for a domain whose subdomains all have HTTPS" if gaps else "ready"


def header_faults(answer: Answer, wanted: Mapping[str, str]) -> list[str]:
    """Headers that are missing, or of another value than the expression asks for."""
    faults = []
    for name, pattern in wanted.items():
        values = [str(value) for value in answer.headers.get_all(name) or []]
        if not values:
            faults.append(f"{name}: missing")
        faults += [f"{name}: {value[:80]}" for value in values if not re.search(pattern, value, re.IGNORECASE)]
    return faults
