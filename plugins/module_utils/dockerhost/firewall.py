# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's firewall as one nftables table, for what listens on the host and for published ports alike.

Docker publishes ports by DNAT before the filter rules of ufw are asked, and its proxy takes IPv6 for containers
that have none. A table of our own with hooks on input and forward holds for both: nftables drops what any
table drops, so the engine may rewrite its own rules, with whichever backend, as it likes.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import UserError

TABLE = "sluice"
_FORM = re.compile(r"(?P<first>[0-9]{1,5})(-(?P<last>[0-9]{1,5}))?(/(?P<protocol>tcp|udp))?")
_INTERNAL = ("docker0", "docker_gwbridge", "br-*", "veth*")
_PROTOCOLS = {"igmp": 2, "gre": 47, "esp": 50, "ah": 51, "ospf": 89, "vrrp": 112}
_INTERFACE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}\*?")


@dataclass(frozen=True)
class Opening:
    """A range of ports that is let in, from everywhere or from the networks named."""

    first: int
    last: int
    protocol: str
    sources: tuple[str, ...] = ()

    @property
    def ports(self) -> str:
        """The range as nftables writes it."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True)
class Protocol:
    """An IP protocol without ports that is let in to the host, by its number."""

    number: int
    sources: tuple[str, ...] = ()


def parse_openings(entries: list[Any], name: str) -> list[Opening | Protocol]:
    """Ports as users list them: `80`, `443/udp`, `8000-8010/tcp` or `{port: 5432, from: [10.0.0.0/8]}`.

    An IP protocol without ports is `{protocol: vrrp}` or `{protocol: 112}`, with `from` if wanted.

    Args:
        entries: The list.
        name: The setting to name in an error.

    Raises:
        UserError: An entry of another form.
    """
    return [_parse_opening(entry, name) for entry in entries]


def _parse_opening(entry: Any, name: str) -> Opening | Protocol:
    sources: Any = []
    port = entry
    if isinstance(entry, dict) and set(entry) in ({"protocol"}, {"protocol", "from"}):
        return Protocol(_protocol(entry["protocol"], name), _parse_sources(entry.get("from", []), name))
    if str(entry).lower() in _PROTOCOLS:
        raise UserError(f"{name}: {entry!r} is a protocol without ports; write {{protocol: {str(entry).lower()}}}")
    if isinstance(entry, dict):
        unknown = sorted(set(entry) - {"port", "from"})
        if unknown or "port" not in entry:
            raise UserError(f"{name}: {entry!r} must have the keys port and, if wanted, from")
        port, sources = entry["port"], entry.get("from", [])
    match = _FORM.fullmatch(str(port))
    if match is None or isinstance(port, bool):
        raise UserError(
            f"{name}: {port!r} is not a port; write 443, 443/udp, 8000-8010/tcp or {{port: 5432, from: [10.0.0.0/8]}}"
        )
    first, last = int(match["first"]), int(match["last"] or match["first"])
    if not 1 <= first <= last <= 65535:
        raise UserError(f"{name}: {port!r} is not a port from 1 to 65535, or a range in rising order")
    return Opening(first, last, match["protocol"] or "tcp", _parse_sources(sources, name))


def with_published(openings: list[Opening | Protocol], published: list[dict[str, Any]], name: str) -> list[Any]:
    """The openings, and the edge's ports as far as the openings say nothing of them.

    Args:
        openings: What the user listed; who narrowed a port there keeps it narrow.
        published: The ports, with `port`, and `protocol` and `allow` if they have them.
        name: The setting to name in an error.

    Raises:
        UserError: An entry of another form.
    """
    missing: list[Any] = []
    for entry in published:
        ports = f"{entry.get('port')}/{entry.get('protocol') or 'tcp'}"
        wanted = _parse_opening({"port": ports, "from": entry.get("allow") or []}, name)
        if not any(isinstance(o, Opening) and _covers(o, wanted) for o in openings):
            missing.append(wanted)
    return [*openings, *missing]


def _covers(opening: Opening, wanted: Any) -> bool:
    return opening.protocol == wanted.protocol and opening.first <= wanted.first <= wanted.last <= opening.last


def _protocol(value: Any, name: str) -> int:
    number = _PROTOCOLS.get(str(value).lower())
    if number is None and re.fullmatch("[0-9]{1,3}", str(value)):
        number = int(value)
    # TCP and UDP as a whole would be every port.
    if number is None or not 1 <= number <= 255 or number in (6, 17):
        raise UserError(
            f"{name}: {value!r} is no IP protocol without ports; write one of {', '.join(_PROTOCOLS)}, or its number"
        )
    return number


def _parse_sources(sources: Any, name: str) -> tuple[str, ...]:
    if "%" in str(sources):
        raise UserError(f"{name}: from must list networks such as 10.0.0.0/8, without a zone")
    try:
        return tuple(str(ipaddress.ip_network(s)) for s in ([sources] if isinstance(sources, str) else sources))
    except (ValueError, TypeError) as error:
        raise UserError(f"{name}: from must list networks such as 10.0.0.0/8: {error}") from None


def check_interfaces(names: list[str], setting: str) -> list[str]:
    """Device names fit for a rule.

    Raises:
        UserError: A name that no network device can have.
    """
    for name in names:
        if not _INTERFACE.fullmatch(name):
            raise UserError(f"{setting}: {name!r} is not the name of a network device")
    return names


def outside(devices: list[str], default_devices: set[str]) -> list[str]:
    """Devices of this host that look like Docker's by their names, and are not.

    Args:
        devices: All of the host's.
        default_devices: Those that its default routes leave by.
    """
    foreign = {d for d in devices if d.startswith("br-") and not re.fullmatch("br-[0-9a-f]{12}", d)}
    return sorted(foreign | {d for d in default_devices if d.startswith(("br-", "veth", "docker"))})


def render(
    openings: list[Opening | Protocol], ssh_ports: list[int], trusted: list[str], uplinks: Iterable[str] = ()
) -> str:
    """The ruleset as a script for `nft -f`: it replaces the table as a whole, or changes nothing.

    Args:
        openings: What is let in, on the host and to containers.
        ssh_ports: TCP ports that are let in to the host whatever else is listed.
        trusted: Devices whose traffic passes, such as a VPN's.
        uplinks: Devices that are not Docker's, though their names say so.

    Raises:
        UserError: No way in would be left.
    """
    if not ssh_ports:
        raise UserError(
            "no port on which sshd listens was found, so the firewall might lock you out; "
            "set docker_host_firewall_ssh_ports"
        )
    quoted = ", ".join(f'"{device}"' for device in uplinks)
    unless = {way: f"{way}name != {{ {quoted} }} " if quoted else "" for way in ("iif", "oif")}
    inside = [f'    iifname "{device}" accept' for device in ("lo", *trusted)]
    inside += [f'    {unless["iif"]}iifname "{device}" accept' for device in _INTERNAL]
    local = [f"    tcp dport {{ {', '.join(map(str, sorted(set(ssh_ports))))} }} accept"]
    local += [f"    {_from(s)}{_local(o)} accept" for o in openings for s in o.sources or ("",)]
    published = [
        f"    {_from(s)}meta l4proto {o.protocol} ct original proto-dst {o.ports} accept"
        for o in openings
        if isinstance(o, Opening)
        for s in o.sources or ("",)
    ]
    body = "\n".join(
        [
            "  chain to_this_host {",
            "    type filter hook input priority filter - 5; policy accept;",
            "    ct state established,related accept",
            "    ct state invalid drop",
            *inside,
            "    meta l4proto { icmp, ipv6-icmp } accept",
            "    udp sport 67 udp dport 68 accept",
            "    udp sport 547 udp dport 546 accept",
            *local,
            "    counter drop",
            "  }",
            "  chain to_containers {",
            "    type filter hook forward priority filter - 5; policy accept;",
            "    ct state established,related accept",
            *inside,
            "    ct status dnat jump to_published",
            *(f'    {unless["oif"]}oifname "{device}" counter drop' for device in _INTERNAL),
            "  }",
            "  chain to_published {",
            *published,
            "    counter drop",
            "  }",
        ]
    )
    return (
        "#!/usr/sbin/nft -f\n"
        "# Written by sluice.deploy.host_firewall; changes here are lost.\n"
        f"table inet {TABLE}\n"
        f"delete table inet {TABLE}\n"
        f"table inet {TABLE} {{\n"
        f'  comment "{fingerprint(body)}"\n'
        f"{body}\n"
        "}\n"
    )


def _local(opening: Opening | Protocol) -> str:
    if isinstance(opening, Protocol):
        return f"meta l4proto {opening.number}"
    return f"{opening.protocol} dport {opening.ports}"


def _from(source: str) -> str:
    if not source:
        return ""
    return f"{'ip6' if ':' in source else 'ip'} saddr {source} "


def fingerprint(body: str) -> str:
    """A short digest by which the loaded table is told from another."""
    return f"sluice-{hashlib.sha256(body.encode()).hexdigest()[:16]}"


def fingerprint_of(listing: str) -> str:
    """The fingerprint that a listing or a script carries; empty for none."""
    match = re.search(r'comment "(sluice-[0-9a-f]{16})"', listing)
    return match[1] if match else ""
