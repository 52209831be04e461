# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the edge needs on the host: directories, network, ports, Compose project, commands and units."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..application import application
from ..errors import UserError
from ..files import write_whole
from ..listeners import holder

# Ansible ships to the host what a module imports: the commands must be among it.
from . import cli  # noqa: F401
from .engine import Run, confinement, container_name, run
from .model import Edge
from .project import compose_file, units
from .site import Site

LIBRARY = Path("/usr/local/lib/sluice")
UNITS = Path("/etc/systemd/system")
WATCHER, CERTIFICATES, INBOX = "sluice-edge.service", "sluice-edge-certificates", "sluice-edge-inbox.path"
_DEFAULT_MTU = 1500


@dataclass(frozen=True)
class Planned:
    path: Path
    content: bytes
    mode: int = 0o644
    owner: tuple[int, int] | None = None

    def differs(self) -> bool:
        try:
            return self.path.read_bytes() != self.content or self.path.stat().st_mode & 0o777 != self.mode
        except FileNotFoundError:
            return True

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, self.content, self.mode, self.owner)


class Host:
    """The host's side of one edge."""

    def __init__(self, edge: Edge, root: Path, runner: Run = run) -> None:
        self._edge, self._root, self._run = edge, root, runner

    def planned(self, sites: Iterable[Site]) -> list[Planned]:
        """The files that this version of the collection wants to see, for these sites."""
        command = LIBRARY / "edge-switch"
        texts = units(command, self._root, self._edge.overlay)
        return [
            self.planned_compose(sites),
            Planned(command, application("edge.cli", command), 0o755),
            *(Planned(UNITS / name, text.encode()) for name, text in texts.items()),
        ]

    def planned_compose(self, sites: Iterable[Site]) -> Planned:
        """Which ports are published follows from the sites."""
        ports = [route for site in sites for route in site.ports]
        return Planned(self._root / "compose.yml", compose_file(self._edge, ports).encode())

    def planned_credentials(self, stack: str, content: str) -> Planned:
        """Of certbot's DNS plugin."""
        return Planned(self._root / "dns" / f"{stack}.ini", content.encode(), 0o600, (self._edge.uid, self._edge.uid))

    def prepare(self) -> bool:
        """Directories and network; tells whether anything was missing."""
        changed = False
        for name in ("conf", "webroot", "acme", "cache", "dns", *(("inbox",) if self._edge.overlay else ())):
            path = self._root / name
            if not path.exists():
                path.mkdir(parents=True, mode=0o700)
                changed = True
            # The generations are nginx's to read, the directory above them root's to change. Credentials of
            # a DNS are root's alone: certbot is shown one stack's file.
            path.chmod(0o755 if name in ("conf", "webroot") else 0o700)
            if name not in ("conf", "dns"):
                os.chown(path, self._edge.uid, self._edge.uid)
        return self._ensure_network() or changed

    def _ensure_network(self) -> bool:
        network = self._edge.network
        if self._edge.overlay:
            return False
        if self._run(["docker", "network", "inspect", network]).returncode == 0:
            return False
        # Docker assumes 1500, whatever the uplink can carry.
        mtu = uplink_mtu()
        options = [f"--opt=com.docker.network.driver.mtu={mtu}"] if mtu < _DEFAULT_MTU else []
        done = self._run(["docker", "network", "create", *options, network])
        if done.returncode:
            raise UserError(f"the network {network!r} cannot be made: {done.stderr.strip()}")
        return True

    def check_ports(self, given_up_by: str = "") -> None:
        """Before nginx starts: nobody else has its ports.

        Args:
            given_up_by: The Compose project that gives them up.

        Raises:
            UserError: Somebody has, and who.
        """
        for port in self._ports:
            listed = self._run(["docker", "ps", f"--filter=publish={port}", "--format={{.Names}}"])
            others = [n for n in listed.stdout.split() if n != container_name(self._edge)]
            ours = container_name(self._edge) in listed.stdout.split()
            if others and given_up_by and set(others) <= set(self._holding(given_up_by, port)):
                continue
            who = f"container {others[0]}" if others else "" if ours else holder(port)
            if who:
                raise UserError(f"port {port} is taken by {who}; stop it, or give the edge another port.")

    def up(self, given_up_by: str = "") -> None:
        """Bring the Compose project to what its file says.

        Args:
            given_up_by: The Compose project whose containers stop where they hold the ports, at the last moment.

        Raises:
            UserError: Compose could not.
        """
        holding = {n for port in self._ports for n in self._holding(given_up_by, port)} if given_up_by else set()
        form = "--format={{.HostConfig.RestartPolicy.Name}}"
        policies = {n: self._run(["docker", "inspect", form, n]).stdout.strip() or "no" for n in sorted(holding)}
        if holding:
            self._compose("create", "--remove-orphans")
            self._run(["docker", "update", "--restart", "no", *sorted(holding)])
            # A signal of its own may let it wait for idle connections, and nobody has the ports meanwhile.
            self._run(["docker", "kill", "--signal", "TERM", *sorted(holding)])
            self._run(["docker", "stop", "--time", "1", *sorted(holding)])
            # Compose takes its time to find out that there is nothing else to do.
            self._run(["docker", "start", container_name(self._edge)])
        try:
            self._compose("up", "-d", "--remove-orphans")
        except UserError:
            for name, policy in policies.items():
                self._run(["docker", "update", "--restart", policy, name])
                self._run(["docker", "start", name])
            raise

    def _compose(self, *words: str) -> None:
        argv = ["docker", "compose", "-f", str(self._root / "compose.yml"), *words]
        done = self._run(argv, timeout=600)
        if done.returncode and self._edge.overlay:
            # To Compose there is no network that no container of a worker has joined yet.
            with self._joined():
                done = self._run(argv, timeout=600)
        if done.returncode:
            raise UserError(f"the edge's Compose project does not come up: {done.stderr.strip()[-400:]}")

    @contextlib.contextmanager
    def _joined(self) -> Iterator[None]:
        name = f"{self._edge.project}-join"
        self._run(["docker", "rm", "-f", name])
        joins = [f"--name={name}", f"--network={self._edge.network}", "--entrypoint=sleep", *confinement(self._edge)]
        try:
            done = self._run(["docker", "run", "-d", "--rm", *joins, self._edge.image, "600"])
            if done.returncode:
                raise UserError(f"the network {self._edge.network!r} cannot be joined: {done.stderr.strip()[-400:]}")
            yield
        finally:
            self._run(["docker", "rm", "-f", name])

    @property
    def _ports(self) -> tuple[int, int]:
        return self._edge.http_port, self._edge.https_port

    def _holding(self, project: str, port: int) -> list[str]:
        """The containers of a Compose project that have a port of the host."""
        filters = [f"--filter=publish={port}", f"--filter=label=com.docker.compose.project={project}"]
        return self._run(["docker", "ps", *filters, "--format={{.Names}}"]).stdout.split()

    def enable_units(self, reload: bool) -> None:
        """The watcher and the renewal timer run, now and after every boot."""
        if reload:
            self._systemctl("daemon-reload")
        self._systemctl("enable", "--now", *self._units)
        if reload:
            self._systemctl("restart", WATCHER)

    def units_active(self) -> bool:
        return self._run(["systemctl", "is-active", "-q", *self._units]).returncode == 0

    @property
    def _units(self) -> tuple[str, ...]:
        return (WATCHER, f"{CERTIFICATES}.timer", *((INBOX,) if self._edge.overlay else ()))

    def obtain_certificates(self) -> None:
        """Start getting certificates, and do not wait: the app may boot meanwhile."""
        self._systemctl("start", "--no-block", f"{CERTIFICATES}.service")

    def obtaining_certificates(self) -> bool:
        """A CA is being asked right now."""
        asked = ("ActiveState", "Job")
        done = self._run(["systemctl", "show", *(f"-p{p}" for p in asked), f"{CERTIFICATES}.service"])
        # Until systemd gets to it, a start is only a queued job.
        return bool(re.search(r"^(Job=[1-9]|ActiveState=activating)", done.stdout, re.M))

    def _systemctl(self, *words: str) -> None:
        done = self._run(["systemctl", *words])
        if done.returncode:
            raise UserError(f"systemctl {' '.join(words)} failed: {done.stderr.strip()}")


def with_network(edge: Edge, runner: Run) -> Edge:
    """The edge, with what its network is. A host that follows another may have none to look at yet."""
    if edge.lead:
        return replace(edge, overlay=True)
    seen = runner(["docker", "network", "inspect", "-f", "{{.Driver}}", edge.network])
    return replace(edge, overlay=seen.returncode == 0 and seen.stdout.strip() == "overlay")


def uplink_mtu(proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> int:
    """MTU of the default route's device."""
    for row in (proc / "net/route").read_text().splitlines()[1:]:
        device, destination = row.split()[:2]
        if destination == "00000000":
            return int((sys / "class/net" / device / "mtu").read_text())
    return _DEFAULT_MTU
