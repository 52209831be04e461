# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of what must be refused: too many requests, and connections to ports that are nobody's business."""

from __future__ import annotations

import errno
import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from .model import Check, Found, Target
from .wire import (
    dial,
    exchange,
    fitting_context,
    secure,
)

_PARALLEL = 8
_SHUT = (errno.EHOSTUNREACH, errno.EACCES, errno.EPERM, errno.ECONNREFUSED)
_PORT_TIMEOUT = 1.5
MOST_REQUESTS = 1000


def rate_limit(target: Target, path: str, requests: int) -> list[Check]:
    """Whether a burst meets a limit; none is sent unless asked for."""
    title = f"Rate limit of {path} answers 429" if requests > 0 else "Rate limit answers 429"
    return [Check("site.rate_limit", title, lambda: _burst(target, path, min(requests, MOST_REQUESTS)))]


def _burst(target: Target, path: str, requests: int) -> Found:
    if requests < 1:
        return Found(
            "skip", evidence=("no burst was asked for: set verify_rate_limit.requests above the limit's burst",)
        )
    statuses: Counter[int] = Counter()
    lock, met = threading.Lock(), threading.Event()
    turns = iter(range(requests))

    def send() -> None:
        with secure(target, fitting_context(target)) as connection:
            while not met.is_set():
                with lock:
                    if next(turns, None) is None:
                        return
                answer = exchange(connection, target, path)
                with lock:
                    statuses[answer.status] += 1
                if answer.status == 429:
                    met.set()
                if answer.headers.get("Connection", "").lower() == "close":
                    return

    with ThreadPoolExecutor(_PARALLEL) as pool:
        for done in [pool.submit(send) for _ in range(min(_PARALLEL, requests))]:
            done.result()
    sent = sum(statuses.values())
    told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    return Found(
        "pass" if met.is_set() else "fail",
        measured=f"429 within {sent} requests" if met.is_set() else f"no 429 in {sent} requests",
        limit=f"429 within {requests}",
        evidence=(told,),
        advice=()
        if met.is_set()
        else ("give the route a rate_limit",) + (("limit_req_status 429",) if statuses[503] else ()),
    )


def closed_ports(target: Target, ports: Iterable[int]) -> list[Check]:
    """Whether databases and apps are out of reach but through the proxy."""
    wanted = sorted({int(port) for port in ports} - {target.https_port, target.http_port})
    return [Check("site.ports", "Ports that must be closed", lambda: _ports(target, wanted))] if wanted else []


def _ports(target: Target, ports: list[int]) -> Found:
    hasty = replace(target, timeout=min(target.timeout, _PORT_TIMEOUT))

    def is_open(port: int) -> bool:
        try:
            dial(hasty, port).close()
        except OSError as error:
            # Refused, dropped, or forbidden by a firewall; any other error has measured nothing.
            if isinstance(error, (ConnectionError, TimeoutError)) or error.errno in _SHUT:
                return False
            raise
        return True

    with ThreadPoolExecutor(len(ports)) as pool:
        found = [port for port, open_ in zip(ports, pool.map(is_open, ports)) if open_]
    told = ", ".join(map(str, found))
    return Found(
        "fail" if found else "pass",
        measured=f"open: {told}" if found else "all closed",
        limit="closed: " + ", ".join(map(str, ports)),
        evidence=(f"{target.address} accepts connections on {told}",) if found else (),
        advice=("publish container ports on 127.0.0.1 only: Docker's own rules come before the firewall's",)
        if found
        else (),
    )
