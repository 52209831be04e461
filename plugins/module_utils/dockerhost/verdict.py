# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a server can become a Docker host, and by which packages: pure verdicts over its facts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, TypedDict

from ..errors import UserError
from ..sizes import format_size
from . import firewall
from .daemon_config import passwords
from .facts import Host

# Each release and whether its own packages hold Compose v2 and buildx, and under which names.
SUPPORTED: dict[tuple[str, str], list[str] | None] = {
    ("debian", "12"): None,
    ("debian", "13"): ["docker.io", "docker-cli", "docker-compose", "docker-buildx"],
    ("ubuntu", "22.04"): ["docker.io", "docker-compose-v2", "docker-buildx"],
    ("ubuntu", "24.04"): ["docker.io", "docker-compose-v2", "docker-buildx"],
}
DOCKER_PACKAGES = [
    "docker-ce",
    "docker-ce-cli",
    "containerd.io",
    "docker-buildx-plugin",
    "docker-compose-plugin",
]
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
NEEDED_CONTROLLERS = ("cpu", "memory", "pids")
# Two engines on one host fight over /var/run/docker.sock.
ENGINES = ("docker.io", "docker-ce", "podman-docker")
# As the engine reads it.
_LOG_SIZE = re.compile(r"[1-9][0-9]*(\.[0-9]+)? ?[kmgt]?i?b?", re.IGNORECASE)
# One line of an apt source or of a unit.
_LINE = re.compile(r"[^\x00-\x1f\x7f]+")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_DURATION = re.compile(r"([0-9]+(h|m|s))+")


class Needs(TypedDict):
    """What is asked of the server; sizes in bytes."""

    source: str
    packages: list[str]
    min_memory: int
    min_disk: int
    free_ports: list[int]
    live_restore: bool
    log_max_size: str
    prune_older_than: str
    prune_schedule: str
    apt_source: dict[str, Any]
    apt_settings: dict[str, str]
    """Addresses of the engine's own repository, by their settings."""
    firewall_allow: list[Any]
    unknown_users: list[str]
    upgrades_reboot: str
    """A time of day; empty for never."""
    fail2ban_ignore: list[str]
    locked_out: str
    """Why nobody would get in by a key alone, where that is asked for."""


def packages_for(source: str, distribution: str, version: str) -> list[str]:
    """The engine's packages by their names in that source; empty where it has none to offer."""
    if source == "docker":
        return list(DOCKER_PACKAGES)
    return list(SUPPORTED.get((distribution, version)) or [])


def find_problems(host: Host, needs: Needs) -> list[str]:
    """Every reason not to go on, a sentence each; empty when the server will do."""
    return [*setting_problems(needs), *_system_problems(host, needs), *_conflicts(host, needs)]


def setting_problems(needs: Mapping[str, Any]) -> list[str]:
    """What is wrong whatever the server is; `needs` has what `Needs` does, as far as a user sets it."""
    problems = []
    if not _LOG_SIZE.fullmatch(needs["log_max_size"]):
        problems.append(
            f"docker_host_log_max_size: {needs['log_max_size']!r} is not a log size; "
            "write a number with a unit, such as 10m or 10MB"
        )
    if not _DURATION.fullmatch(needs["prune_older_than"]):
        problems.append(
            f"docker_host_prune_older_than: {needs['prune_older_than']!r} is not a duration; "
            "write it with h, m or s, such as 168h"
        )
    if not _LINE.fullmatch(needs["prune_schedule"]):
        problems.append(f"docker_host_prune_schedule: {needs['prune_schedule']!r} is not one line, such as daily")
    for key, value in needs["apt_source"].items():
        if not _LINE.fullmatch(str(value)):
            problems.append(f"docker_host_apt_source.{key}: {value!r} is not one line")
    for name, value in needs["apt_settings"].items():
        if not re.fullmatch(r"[^\s\x00-\x1f\x7f]+", value):
            problems.append(f"{name}: {value!r} is no address or path without blanks")
    addresses = {f"docker_host_apt_source.{key}": str(value) for key, value in needs["apt_source"].items()}
    for name, value in (addresses | needs["apt_settings"]).items():
        if passwords(value):
            problems.append(
                f"{name}: its address holds a password, which whoever is on the server could read; write the address"
                " without, and the password into a file of mode 0600 in /etc/apt/auth.conf.d on the server"
            )
    if needs["source"] == "custom":
        absent = [key for key in ("uris", "suites", "signed_by") if not needs["apt_source"].get(key)]
        if absent:
            problems.append(f"docker_host_apt_source: {', '.join(absent)} must be set for a custom source")
        if not needs["packages"]:
            problems.append("docker_host_packages: name the engine's packages in the custom source")
    try:
        firewall.parse_openings(needs["firewall_allow"], "docker_host_firewall_allow")
    except UserError as error:
        problems.append(str(error))
    if needs["upgrades_reboot"] and not _TIME.fullmatch(needs["upgrades_reboot"]):
        problems.append(f"docker_host_upgrades_reboot: {needs['upgrades_reboot']!r} is no time of day, such as 04:30")
    for network in needs["fail2ban_ignore"]:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            problems.append(f"docker_host_fail2ban_ignore: {network!r} is no address or network, such as 192.0.2.0/24")
    return problems


def _system_problems(host: Host, needs: Needs) -> list[str]:
    problems = [f"docker_host_ssh_keys_only: {needs['locked_out']}"] if needs["locked_out"] else []
    problems += [f"docker_host_users: there is no user {name!r} on this server" for name in needs["unknown_users"]]
    release = (host["distribution"], host["version"])
    if release not in SUPPORTED:
        known = ", ".join(f"{d.capitalize()} {v}" for d, v in SUPPORTED)
        problems.append(f"{host['name']} is not supported; use one of {known}")
    elif needs["source"] == "distribution" and SUPPORTED[release] is None:
        problems.append(
            f"{host['name']} has no Compose v2 among its own packages; "
            "set docker_host_source to docker, or to custom with a source that has it"
        )
    if host["architecture"] not in ARCHITECTURES:
        problems.append(f"architecture {host['architecture']} is not supported; use one of {', '.join(ARCHITECTURES)}")
    for what, have, want in (
        ("memory", host["memory"], needs["min_memory"]),
        ("free disk under /var/lib/docker", host["disk_free"], needs["min_disk"]),
    ):
        if have < want:
            setting = "docker_host_min_memory" if what == "memory" else "docker_host_min_disk"
            problems.append(f"{format_size(have)} of {what}, {setting} asks for {format_size(want)}")
    missing = [name for name in NEEDED_CONTROLLERS if name not in host["cgroup_controllers"]]
    if missing:
        problems.append(f"the kernel lacks the cgroup controllers {', '.join(missing)}: limits would not hold")
    return problems


def _conflicts(host: Host, needs: Needs) -> list[str]:
    problems = []
    for port in needs["free_ports"]:
        process = host["listeners"].get(port)
        # The engine's own proxy holds the ports of containers that run already.
        if process is not None and process != "docker-proxy":
            problems.append(
                f"port {port} is taken by {process or 'an unknown process'}; stop it, or change docker_host_free_ports"
            )
    if host["snap_docker"]:
        problems.append("Docker is installed as a snap; remove it: snap remove docker")
    # apt would take the other engine away, its containers with it, without a word.
    installing = any(name not in host["packages"] for name in needs["packages"])
    for package in ENGINES:
        if installing and package in host["packages"] and package not in needs["packages"]:
            problems.append(f"the package {package} is in the way; remove it: apt-get remove {package}")
    if host["swarm"] and needs["live_restore"]:
        problems.append(
            "the engine is part of a swarm, which excludes live-restore; set docker_host_live_restore to false"
        )
    return problems


def missing_packages(host: Host, wanted: list[str], version: str) -> list[str]:
    """Packages to install: those absent, and engine packages of another version than the one asked for.

    Args:
        host: Facts with the installed packages.
        wanted: Package names.
        version: What the engine's version begins with, without epoch; empty for any.
    """
    missing = [name for name in wanted if name not in host["packages"]]
    return missing + [
        name
        for name in wanted
        if version
        and is_engine(name)
        and name in host["packages"]
        and not host["packages"][name].partition(":")[2].startswith(version)
        and not host["packages"][name].startswith(version)
    ]


def is_engine(package: str) -> bool:
    """Whether a version pin is meant for this package: the engine and its client."""
    return package in ("docker-ce", "docker-ce-cli", "docker.io", "docker-cli")


def engine_config(host: Host, settings: dict[str, Any]) -> dict[str, Any]:
    """The keys of daemon.json that the settings ask for; a value of None means: absent.

    The uplink's MTU is handed on where it is below Ethernet's, since large transfers from containers stall
    otherwise (https://docs.docker.com/engine/daemon/troubleshoot/).
    """
    driver = settings["daemon"].get("log-driver", "json-file")
    limits: dict[str, str | None] = {"max-size": settings["log_max_size"], "max-file": str(settings["log_max_file"])}
    if driver not in ("json-file", "local"):
        # Another driver does not know them, and the engine would not start.
        limits = dict.fromkeys(limits)
    mtu = settings["mtu"] or host["uplink"]["mtu"]
    lowered = mtu if mtu != 1500 else None
    return {
        "log-driver": "json-file",
        "live-restore": settings["live_restore"],
        "default-address-pools": settings["address_pools"] or None,
        "mtu": lowered,
        "default-network-opts": {"bridge": {"com.docker.network.driver.mtu": str(lowered)}} if lowered else None,
        "registry-mirrors": settings["registry_mirrors"] or None,
        "insecure-registries": settings["insecure_registries"] or None,
        **{**settings["daemon"], "log-opts": {**limits, **(settings["daemon"].get("log-opts") or {})}},
    }
