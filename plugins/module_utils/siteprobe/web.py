# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of how the site is reached: DNS, redirect, headers, HTTP/2, foreign names."""

from __future__ import annotations

import errno
import http.client
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from . import clock, secureheaders
from .model import Check, Found, Target, host_of, reason
from .wire import (
    Answer,
    exchange,
    fetch,
    fitting_context,
    lookup,
    secure,
    trusting_context,
)

_PERMANENT = (301, 308)
_REDIRECTED = "/sluice-verify/path?query=kept&name=%C3%BC"
_PARALLEL = 4
_MOST_ADDRESSES = 16
# A machine without IPv6 says so at once; a dead host of the network next door says EHOSTUNREACH.
_NO_WAY = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_FOREIGN = "sluice-verify.invalid"


def checks(target: Target, addresses: Sequence[str], headers: Mapping[str, str]) -> list[Check]:
    """What a visitor's browser meets before the app does anything."""
    return [
        Check("site.dns", "DNS points here" if addresses else "The names resolve", lambda: _dns(target, addresses)),
        *_addresses_check(target),
        Check("site.redirect", "HTTP leads to HTTPS, path and query kept", lambda: _redirect(target)),
        Check("site.headers", "Security headers", lambda: secureheaders.look(target, headers)),
        Check("site.http2", "HTTP/2", lambda: _http2(target)),
        Check("site.foreign_host", "Foreign names are refused", lambda: _foreign(target)),
        Check("site.clock", "The site's clock and the controller's agree", lambda: clock.look(target)),
    ]


def _dns(target: Target, wanted: Sequence[str]) -> Found:
    if target.resolve_to:
        return Found("skip", evidence=(f"resolve_to is set: {target.resolve_to} was probed whatever DNS says",))
    expected = {address[0].partition("%")[0] for name in wanted for _, address in lookup(name, 0)}
    published = {name: {address[0] for _, address in lookup(name, 0)} for name in (target.domain, *target.aliases)}
    measured = sorted(set().union(*published.values()))
    if not expected:
        return Found("pass", measured=measured, limit="any address", evidence=("no address was named to compare with",))
    astray = [
        f"{name} leads to {', '.join(sorted(found - expected))}"
        for name, found in published.items()
        if found - expected
    ]
    return Found(
        "fail" if astray else "pass",
        measured=measured,
        limit=sorted(expected),
        evidence=tuple(astray),
        advice=(
            "correct the A and AAAA records: one that leads elsewhere breaks a part of all visits and the certificate",
            "behind a load balancer or CDN name its addresses in verify_addresses",
        )
        if astray
        else (),
    )


def _addresses_check(target: Target) -> list[Check]:
    """Of names that are looked up; where `resolve_to` is set, its one address is what all checks look at."""
    title = "Every address of the names answers"
    return [] if target.resolve_to else [Check("site.addresses", title, lambda: _addresses(target))]


def _addresses(target: Target) -> Found:
    """Visitors are spread over all addresses, and only some browsers go on to the next when one is dead."""
    names = (target.domain, *target.aliases)
    wanted = [(name, address) for name in names for address in _published(name, target)]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        faults = [fault for fault in pool.map(lambda pair: _address_fault(target, *pair), wanted) if fault]
    dead = [text for text, unreachable in faults if not unreachable]
    unknown = [text for text, unreachable in faults if unreachable]
    return Found(
        "fail" if dead else "warn" if unknown else "pass",
        measured=f"{len(wanted) - len(faults)} of {len(wanted)}",
        limit=f"{len(wanted)} answer",
        evidence=(*dead, *unknown),
        advice=("let the site listen on each address, IPv6 as well, or remove its A or AAAA record",)
        if dead
        else ("verify from a network that has a way to these addresses",)
        if unknown
        else (),
    )


def _published(name: str, target: Target) -> list[str]:
    return list(dict.fromkeys(str(address[0]) for _, address in lookup(name, target.https_port)))[:_MOST_ADDRESSES]


def _address_fault(target: Target, name: str, address: str) -> tuple[str, bool] | None:
    """What is wrong at one address, and whether it is only that this machine has no way to it."""
    there = replace(target, domain=name, resolve_to=address)
    try:
        found = reachable(there)
        if found.status != "pass":
            return f"{name} at {address}: {found.measured}", False
        if name == target.domain and _redirect(there).status == "fail":
            return f"{name} at {address}: HTTP does not lead to HTTPS with path and query kept", False
    except (OSError, http.client.HTTPException) as error:
        return f"{name} at {address}: {reason(error)}", getattr(error, "errno", None) in _NO_WAY
    return None


def _redirect(target: Target) -> Found:
    answer = fetch(target, _REDIRECTED, plain=True, host=_host_of_http(target))
    location = answer.headers.get("Location", "")
    wanted = target.url + _REDIRECTED
    kept = location == wanted
    permanent = answer.status in _PERMANENT
    advice = "answer on port 80 with: return 301 https://$host$request_uri"
    return Found(
        "fail" if not kept or answer.status // 100 != 3 else "pass" if permanent else "warn",
        measured=f"{answer.status}, all kept" if kept else f"{answer.status} to {location or 'nowhere'}",
        limit="301 or 308, all kept",
        evidence=(f"asked for {_REDIRECTED}", f"led to {location or 'nowhere'}, expected {wanted}"),
        advice=() if kept and permanent else (advice,),
    )


def _host_of_http(target: Target) -> str:
    return target.domain if target.http_port == 80 else f"{target.domain}:{target.http_port}"


def _http2(target: Target) -> Found:
    context = trusting_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with secure(target, context) as connection:
        chosen = connection.selected_alpn_protocol() or "HTTP/1.1 without negotiation"
    return Found(
        "pass" if chosen == "h2" else "fail",
        measured=chosen,
        limit="h2",
        advice=() if chosen == "h2" else ("http2 on; in nginx before 1.25: listen 443 ssl http2",),
    )


def _foreign(target: Target) -> Found:
    """Neither a foreign name in TLS, nor a foreign Host, nor one on port 80, may be served the site."""
    attempts: tuple[tuple[str, dict[str, Any]], ...] = (
        ("server name and Host over HTTPS", {"name": _FOREIGN, "host": _FOREIGN}),
        ("Host over HTTPS", {"host": _FOREIGN}),
        ("Host over HTTP", {"host": _FOREIGN, "plain": True}),
    )
    served: list[str] = []
    refused: list[str] = []
    for label, options in attempts:
        try:
            answer = fetch(target, "/", **options)
        except (OSError, http.client.HTTPException) as error:
            refused.append(f"{label}: {reason(error)}")
            continue
        told = f"{label}: {answer.status}"
        (served if _welcomes(answer) else refused).append(told)
    return Found(
        "fail" if served else "pass",
        measured="served" if served else "refused",
        limit="refused",
        evidence=(*served, *refused),
        advice=("give nginx a default_server with ssl_reject_handshake on and return 444",) if served else (),
    )


def _welcomes(answer: Answer) -> bool:
    """Content, or a redirect that repeats the foreign name, which serves phishing and poisons caches."""
    if answer.status // 100 == 3:
        return host_of(answer.headers.get("Location", "")) == _FOREIGN
    return answer.status < 400


def reachable(target: Target) -> Found:
    """Whether anything answers at all; without it no other check says anything."""
    with secure(target, fitting_context(target)) as connection:
        answer = exchange(connection, target, "/")
    down = answer.status >= 500
    return Found(
        "fail" if down else "pass",
        measured=f"HTTP {answer.status}",
        limit="an answer below 500",
        advice=("see the proxy's error log and whether a release serves",) if down else (),
    )
