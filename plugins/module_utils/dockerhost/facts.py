# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a server is and holds, read from the system without changing it."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import TypedDict

from .. import commands
from ..listeners import read_listeners
from ..notices.tell import SETTINGS
from .credential import LOGINS
from .engine import Engine, read_engine


class Uplink(TypedDict):
    """The network device that the default route leaves by; an empty name where there is none."""

    device: str
    mtu: int


class Unit(TypedDict):
    """State of a systemd unit, in systemd's own words."""

    active: str
    enabled: str


class Host(TypedDict):
    """Facts of a server; sizes in bytes."""

    distribution: str
    version: str
    codename: str
    name: str
    architecture: str
    memory: int
    disk_free: int
    cgroup_controllers: list[str]
    uplink: Uplink
    address: str
    """By which it is seen through its uplink; empty where there is none."""
    clock_ahead: float
    """Seconds that its clock is ahead of the controller's."""
    listeners: dict[int, str]
    ssh_ports: list[int]
    packages: dict[str, str]
    held_packages: list[str]
    snap_docker: bool
    swarm: bool
    engine: Engine
    registry_logins: bool
    notices: bool
    files: dict[str, str | None]
    """The text of each file that was asked for; empty for one that is missing, none for one that not all may read."""
    units: dict[str, Unit]


def parse_os_release(text: str) -> dict[str, str]:
    """The fields of `/etc/os-release`, without their quotes."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def parse_dpkg_status(text: str, wanted: set[str]) -> tuple[dict[str, str], list[str]]:
    """Of the wanted packages in `/var/lib/dpkg/status`, the installed ones with their versions, and those on hold."""
    found: dict[str, str] = {}
    held: list[str] = []
    for stanza in text.split("\n\n"):
        name = stanza.partition("\n")[0].removeprefix("Package: ")
        if name in wanted:
            fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
            if fields.get("Status", "").endswith(" installed"):
                found[name] = fields.get("Version", "")
                held += [name] if fields["Status"].startswith("hold ") else []
    return found, held


def parse_default_device(ipv4_routes: str, ipv6_routes: str = "") -> str:
    """The device of the default route of `/proc/net/route`, else of `/proc/net/ipv6_route`."""
    return next(iter(parse_default_devices(ipv4_routes, ipv6_routes)), "")


def parse_default_devices(ipv4_routes: str, ipv6_routes: str) -> list[str]:
    """The devices of all default routes, IPv4's first."""
    ipv4 = (line.split() for line in ipv4_routes.splitlines()[1:])
    ipv6 = (line.split() for line in ipv6_routes.splitlines())
    found = [row[0] for row in ipv4 if len(row) > 7 and row[1] == "00000000" and row[7] == "00000000"]
    return found + [r[9] for r in ipv6 if len(r) > 9 and r[0] == "0" * 32 and r[1] == "00" and r[9] != "lo"]


def read_text(path: str) -> str:
    """A file's text; empty where it is missing or closed to us."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def find_ssh_ports(listeners: dict[int, str]) -> list[int]:
    """Ports by which an administrator gets in: those of sshd, of its socket unit, and of this session."""
    ports = {port for port, process in listeners.items() if process in ("sshd", "dropbear")}
    # Ubuntu's ssh.socket: systemd itself listens.
    for line in read_text("/run/systemd/generator/ssh.socket.d/addresses.conf").splitlines():
        ports |= {int(line.rpartition(":")[2])} if line.startswith("ListenStream=") and line[-1].isdigit() else set()
    if listeners.get(22) == "systemd":
        ports.add(22)
    session = os.environ.get("SSH_CONNECTION", "").split()
    if len(session) == 4:
        ports.add(int(session[3]))
    return sorted(ports)


def read_units(names: list[str]) -> dict[str, Unit]:
    """State of systemd units by one call; `active` is `inactive` for a unit that does not exist."""
    if not names or not Path("/run/systemd/system").exists():
        return {name: Unit(active="inactive", enabled="") for name in names}
    shown = commands.run(["systemctl", "show", "--property=ActiveState,UnitFileState", *names]).stdout
    units: dict[str, Unit] = {}
    for name, block in zip(names, shown.strip().split("\n\n")):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        units[name] = Unit(active=fields.get("ActiveState", "inactive"), enabled=fields.get("UnitFileState", ""))
    return units


def _free_bytes(path: str) -> int:
    place = Path(path)
    while not place.exists():
        place = place.parent
    stat = os.statvfs(place)
    return stat.f_bavail * stat.f_frsize


def _memory_bytes() -> int:
    for line in read_text("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def _cgroup_controllers() -> list[str]:
    """Controllers of the unified hierarchy, and of the old ones beside it."""
    unified = read_text("/sys/fs/cgroup/cgroup.controllers").split()
    old = [row.split()[0] for row in read_text("/proc/cgroups").splitlines()[1:] if row.split()[3:] == ["1"]]
    return sorted(set(unified) | set(old))


def _address() -> str:
    # Asks the kernel for a route; nothing is sent.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(asking.getsockname()[0])


def read_files(paths: list[str]) -> dict[str, str | None]:
    """Their texts, as files of this collection are: with the mode 0644; none for another, empty where there is none."""

    def text(path: Path) -> str | None:
        if not path.exists():
            return ""
        return read_text(str(path)) if path.stat().st_mode & 0o7777 == 0o644 else None

    return {path: text(Path(path)) for path in paths}


def read_host(packages: list[str], units: list[str], files: list[str], controller_time: float = 0) -> Host:
    """Everything at once.

    Args:
        packages: Packages whose version is wanted, where they are installed.
        units: systemd units whose state is wanted.
        files: Files whose text is wanted.
        controller_time: Seconds since the epoch by the controller's clock; 0 where nobody compares.
    """
    ahead = time.time() - controller_time if controller_time else 0.0
    release = parse_os_release(read_text("/etc/os-release"))
    device = parse_default_device(read_text("/proc/net/route"), read_text("/proc/net/ipv6_route"))
    listeners = read_listeners()
    installed, held = parse_dpkg_status(read_text("/var/lib/dpkg/status"), set(packages))
    return Host(
        distribution=release.get("ID", "unknown"),
        version=release.get("VERSION_ID", ""),
        codename=release.get("VERSION_CODENAME", ""),
        name=release.get("PRETTY_NAME", "an unknown system"),
        architecture=os.uname().machine,
        memory=_memory_bytes(),
        disk_free=_free_bytes("/var/lib/docker"),
        cgroup_controllers=_cgroup_controllers(),
        uplink=Uplink(device=device, mtu=int(read_text(f"/sys/class/net/{device}/mtu") or 1500) if device else 1500),
        address=_address(),
        clock_ahead=round(ahead, 1),
        listeners=listeners,
        ssh_ports=find_ssh_ports(listeners),
        packages=installed,
        held_packages=held,
        snap_docker=Path("/snap/docker/current").exists(),
        swarm=Path("/var/lib/docker/swarm/docker-state.json").exists(),
        engine=read_engine(),
        registry_logins=LOGINS.exists(),
        notices=SETTINGS.exists(),
        files=read_files(files),
        units=read_units(units),
    )
