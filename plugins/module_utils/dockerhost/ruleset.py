# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The firewall's script as it should be on this host, and whether that is what is loaded."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import commands
from ..listeners import read_listeners
from . import firewall
from .facts import find_ssh_ports, parse_default_devices, read_text

SCRIPT = "/etc/sluice/firewall.nft"
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "allow": {"type": "list", "elements": "raw", "default": []},
    "published": {"type": "list", "elements": "dict", "default": []},
    "ssh_ports": {"type": "list", "elements": "int", "default": []},
    "trusted_interfaces": {"type": "list", "elements": "str", "default": []},
    "path": {"type": "path", "default": SCRIPT},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
ALLOW = "docker_host_firewall_allow"
_PUBLISHED = "nginx_certbot_ports"
_TRUSTED = "docker_host_firewall_trusted_interfaces"


def nft(*arguments: str) -> subprocess.CompletedProcess[str]:
    return commands.run(["/usr/sbin/nft", *arguments])


def installed() -> bool:
    return shutil.which("nft", path="/usr/sbin") is not None


def wanted(params: Mapping[str, Any]) -> tuple[str, list[int]]:
    """The script, and the ports that it keeps open for SSH.

    Args:
        params: Of ARGUMENT_SPEC.

    Raises:
        UserError: An opening, a port of the edge or an interface is none.
    """
    ssh_ports = params["ssh_ports"] or find_ssh_ports(read_listeners())
    devices = parse_default_devices(read_text("/proc/net/route"), read_text("/proc/net/ipv6_route"))
    script = firewall.render(
        firewall.with_published(firewall.parse_openings(params["allow"], ALLOW), params["published"], _PUBLISHED),
        ssh_ports,
        firewall.check_interfaces(params["trusted_interfaces"], _TRUSTED),
        firewall.outside(os.listdir("/sys/class/net"), set(devices)),
    )
    return script, ssh_ports


def loaded() -> str:
    """The fingerprint of the table that is loaded; empty for none."""
    return (
        firewall.fingerprint_of(nft("--terse", "list", "table", "inet", firewall.TABLE).stdout) if installed() else ""
    )


def stands(params: Mapping[str, Any]) -> bool:
    """Whether the host is as these settings have it.

    Raises:
        UserError: As of `wanted`.
    """
    before = read_text(params["path"])
    if params["state"] == "absent":
        return not before and not Path(params["path"]).exists() and not loaded()
    script = wanted(params)[0]
    return before == script and loaded() == firewall.fingerprint_of(script)
