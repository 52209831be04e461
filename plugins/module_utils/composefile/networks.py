# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One private network takes the place of a project's networks; its names stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .findings import Findings
from .tables import PROXY_NETWORK


def aliases_of(name: str, key: str, service: Mapping[str, Any], services: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Every name but its own key by which its siblings know a service."""
    names = [name, str(service.get("container_name") or ""), str(service.get("hostname") or "")]
    for network in (service.get("networks") or {}).values():
        names += [str(a) for a in (network or {}).get("aliases") or []]
    for other in services.values():
        for link in other.get("links") or []:
            linked, _, alias = str(link).partition(":")
            if linked == name and alias:
                names.append(alias)
    return [n for n in dict.fromkeys(names) if n and n != key]


def read_networks(name: str, service: Mapping[str, Any], declared: Mapping[str, Any], findings: Findings) -> None:
    """What of a service's networks is lost, or cannot be."""
    for network, told in (service.get("networks") or {}).items():
        fixed = [k for k in ("ipv4_address", "ipv6_address", "link_local_ips", "mac_address") if (told or {}).get(k)]
        for key in fixed:
            findings.refuse(
                f"services.{name}.networks.{network}.{key}",
                "two colours cannot have one address",
                "names take its place: leave it out, and use the service's name",
            )
        about = declared.get(network) or {}
        if about.get("external") and not PROXY_NETWORK.fullmatch(str(about.get("name") or network).lower()):
            findings.decide(
                f"networks.{network}.external",
                f"other projects' containers on {about.get('name') or network} cannot be reached from the stack's",
                "their address in the environment, or the services themselves in this project; then networks: "
                f"{{{network}: {{external: false}}}} in a further file",
            )
        if about.get("internal"):
            findings.note(f"networks.{network}.internal", "services on it can reach the internet here")
        if about.get("driver") not in (None, "", "bridge", "default", "overlay"):
            findings.refuse(
                f"networks.{network}.driver", f"{about['driver']} is not possible for a service of a release", "bridge"
            )
    if set(service.get("networks") or {}) - {"default"}:
        findings.drop(name, "networks", "all services of a stack share one")
