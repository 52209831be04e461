# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which ports of a service the edge asks, and which stay ports of the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .findings import Findings, correction
from .kinds import Kind, repository, targets
from .tables import DATABASE_PORTS, EDGE_PORTS, OTHER_PORTS, PROXY_IMAGES, WEB_IMAGES

_LOOPBACK = ("127.0.0.1", "::1")


def web_port(name: str, service: Mapping[str, Any], asked: int | None, findings: Findings) -> int | None:
    """The port on which the edge asks a web service.

    Args:
        asked: What its first route says.
    """
    if asked:
        return asked
    found = targets(service) or ([80] if WEB_IMAGES.fullmatch(repository(service)) else [])
    likely = [p for p in found if p not in OTHER_PORTS and p not in DATABASE_PORTS] or found
    if len(likely) == 1:
        return likely[0]
    if len(likely) > 1 and 443 in likely and 80 in likely and len(likely) == 2:
        return 80
    listed = f"it listens on {', '.join(map(str, found))}" if found else "no port of it is named"
    first = likely[0] if likely else 8080
    findings.decide(
        f"services.{name}.ports",
        f"a route leads here, and {listed}: which port answers it",
        f"stack_routes: [{{path: /, service: {name}, port: {first}}}]",
    )
    return first


def publish(
    name: str, service: Mapping[str, Any], kind: Kind, never_doubled: bool, web: set[int], findings: Findings
) -> list[dict[str, Any]]:
    """The ports of the server that stay the service's own.

    Args:
        never_doubled: Whether no two of it ever run at once.
        web: The ports that the edge asks.
    """
    kept: list[dict[str, Any]] = []
    blocked: list[str] = []
    for index, port in enumerate(service.get("ports") or []):
        key = f"ports: {_shown(port)}"
        own = _protocol_of_its_own(port) and int(port["target"]) not in web
        if not own:
            findings.drop(name, key, _why(port, kind, web))
        elif not str(port.get("published") or "").isdigit():
            findings.drop(name, key, "the engine would choose one")
        elif never_doubled:
            kept.append(_item(port))
        else:
            blocked.append(f"{_shown(port)} (services.{name}.ports[{index}])")
    if blocked:
        findings.decide(
            f"services.{name}.ports",
            f"{', '.join(blocked)} can belong to one container at a time, and two colours run during a release",
            correction(name, "order: stop_first"),
        )
    return kept


def edge_ports(name: str, service: Mapping[str, Any], findings: Findings) -> None:
    """What a proxy that is not started passes on beside HTTP."""
    own = [_shown(p) for p in service.get("ports") or [] if _protocol_of_its_own(p)]
    if own:
        findings.decide(
            f"services.{name}.ports",
            f"{name} is a proxy, which the edge takes the place of, but for {', '.join(own)}",
            f"{correction(name, 'kind: edge')} to do without, or {correction(name, 'kind: worker, order: stop_first')}",
        )


def ends_tls(name: str, service: Mapping[str, Any], findings: Findings) -> None:
    """A proxy that stays a part of the app, and that ends TLS: the edge speaks plain HTTP to it."""
    ports = [int(p["target"]) for p in service.get("ports") or []]
    if PROXY_IMAGES.fullmatch(repository(service)) and 443 in ports:
        findings.decide(
            f"services.{name}.ports",
            f"{name} serves files of its own and ends TLS; the edge does that, and asks by plain HTTP",
            f"its configuration without TLS and redirects, then {correction(name, 'kind: web, port: 80')};"
            f" or {correction(name, 'kind: edge')} to do without it",
        )


def _protocol_of_its_own(port: Mapping[str, Any]) -> bool:
    target, outside = int(port["target"]), str(port.get("published") or "")
    if port.get("protocol", "tcp") != "tcp":
        return target not in EDGE_PORTS
    return target in OTHER_PORTS or (outside.isdigit() and int(outside) in OTHER_PORTS)


def _item(port: Mapping[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {"port": int(port["target"]), "published": int(port["published"])}
    if port.get("protocol", "tcp") != "tcp":
        item["protocol"] = port["protocol"]
    if port.get("host_ip") and port["host_ip"] not in ("0.0.0.0", "::"):
        item["address"] = port["host_ip"]
    return item


def _why(port: Mapping[str, Any], kind: Kind, web: set[int]) -> str:
    if kind == "web" and int(port["target"]) in web:
        return "the edge asks it"
    if port.get("host_ip") in _LOOPBACK:
        return "for the server itself; publish keeps it where it is never doubled"
    if kind == "data":
        return "its siblings reach it by its name"
    return "not by the edge unless a route leads there" if kind != "web" else "no route leads to it"


def _shown(port: Mapping[str, Any]) -> str:
    address = f"{port['host_ip']}:" if port.get("host_ip") else ""
    protocol = f"/{port['protocol']}" if port.get("protocol", "tcp") != "tcp" else ""
    outside = f"{port['published']}:" if port.get("published") else ""
    return f"{address}{outside}{port['target']}{protocol}"


def collisions(services: Mapping[str, Mapping[str, Any]], findings: Findings) -> None:
    """Two services that want one port of the server: Compose itself would start the first alone."""
    taken: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name, service in services.items():
        for port in service.get("ports") or []:
            if str(port.get("published") or "").isdigit():
                wanted = (str(port["published"]), str(port.get("protocol", "tcp")))
                taken.setdefault(wanted, []).append((name, str(port.get("host_ip") or "")))
    for (number, protocol), who in taken.items():
        names = list(dict.fromkeys(name for name, _ in who))
        addresses = [address for _, address in who]
        if len(names) > 1 and ("" in addresses or "0.0.0.0" in addresses or len(set(addresses)) < len(addresses)):
            findings.decide(
                f"services.{names[-1]}.ports",
                f"{number}/{protocol} of the server is wanted by {' and '.join(names)}",
                "another port in the file, or a profile that leaves one of them out",
            )
