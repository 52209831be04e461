# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stack description: what an app consists of, as every role reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, cast

# Colour and service follow in a DNS label of at most 63 characters.
STACK_NAME = r"[a-z][a-z0-9-]{0,28}[a-z0-9]"
Strategy = Literal["blue_green", "recreate"]
Colour = Literal["blue", "green"]
Role = Literal["web", "worker"]

# As Docker reads sizes of memory: every unit is binary, whatever it is called.
MEMORY = r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(?:([kKmMgGtT])(?:i?[bB])?|[bB])?"

COLOURS: tuple[Colour, ...] = ("blue", "green")


@dataclass(frozen=True)
class Build:
    """Where an image is built from: a directory on the server, or a Git repository."""

    context: str = ""
    git: str = ""
    ref: str = ""
    key: str = ""
    """Name of the stack secret that is the SSH key for `git`."""
    known_hosts: str = ""
    """Lines of SSH's known_hosts for `git`; the server's own where empty."""
    dockerfile: str = "Dockerfile"
    target: str = ""
    args: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """BuildKit secret id → name of a stack secret, or absolute path of a file on the server."""
    write_dockerignore: bool = False


@dataclass(frozen=True)
class Health:
    """How to tell that a service works: an HTTP path on its port, or a command in the container."""

    path: str = ""
    command: tuple[str, ...] = ()
    expect: str = ""
    """Text that the answer's body must hold: status 200 alone proves little."""
    interval: float = 5
    timeout: float = 5
    retries: int = 5
    start_period: float = 60


@dataclass(frozen=True)
class Secret:
    """A secret as one service takes it: an environment variable, or a file whose path is in one."""

    name: str
    kind: Literal["env", "file"] = "env"
    env: str = ""
    """The variable: by default the name, for a file the name with `_FILE`."""
    uid: int | None = None
    """Who may read the file, where that is neither the service's nor the image's user."""

    @property
    def variable(self) -> str:
        return self.env or (f"{self.name}_FILE" if self.kind == "file" else self.name)

    @property
    def mount(self) -> str:
        return f"/run/secrets/{self.name}"


@dataclass(frozen=True)
class Volume:
    """A named volume of the stack, or an absolute path of the server."""

    source: str
    path: str
    read_only: bool = False
    backup: bool = True
    uid: int | None = None

    @property
    def named(self) -> bool:
        return not self.source.startswith("/")


@dataclass(frozen=True)
class Limits:
    memory: str = ""
    cpus: float | None = None
    pids: int | None = None

    @property
    def memory_bytes(self) -> int:
        """As the engine counts: its units are binary."""
        if not self.memory:
            return 0
        number, unit = cast("re.Match[str]", re.fullmatch(MEMORY, self.memory)).groups()
        return int(float(number) * 1024 ** "bkmgt".find((unit or "b").lower()))


@dataclass(frozen=True)
class Service:
    name: str
    image: str = ""
    build: Build | None = None
    pull: Literal["missing", "always", "never"] = "missing"
    role: Role = "worker"
    stateful: bool = False
    port: int | None = None
    health: Health | None = None
    env: dict[str, str] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    volumes: tuple[Volume, ...] = ()
    tmpfs: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    user: str = ""
    limits: Limits = Limits()
    read_only: bool = False
    cap_drop: tuple[str, ...] = ("ALL",)
    cap_add: tuple[str, ...] = ()
    stop_grace: float = 30
    order: Literal["overlap", "stop_first"] = "overlap"
    max_size: str = ""
    """Limit of the image's size, such as `500MB`; empty for none."""
    fail_on_log: tuple[str, ...] = ()
    """Patterns that fail a release when the new containers log them before the switch."""
    backup: Literal["", "postgres"] = ""
    """How this service's data is dumped."""


@dataclass(frozen=True)
class Route:
    """A path prefix of the site and the service that answers it."""

    path: str
    service: str
    rate_limit: str = ""
    burst: int = 0
    body_size: str = ""
    timeout: float = 60
    stream: bool = False
    """Server-sent events and other long answers: not buffered, not limited."""


@dataclass(frozen=True)
class Hook:
    """A command that runs in a service's new image with its new environment."""

    service: str
    command: tuple[str, ...]
    timeout: float = 600


def data_project(stack: str) -> str:
    """The Compose project in which a stack's stateful services stay."""
    return f"{stack}-data"


def colour_project(stack: str, colour: str) -> str:
    """The Compose project in which a release of this colour runs."""
    return f"{stack}-{colour}"


@dataclass(frozen=True)
class Stack:
    name: str
    domain: str
    domain_aliases: tuple[str, ...]
    services: dict[str, Service]
    routes: tuple[Route, ...]
    strategy: Strategy = "blue_green"
    drain: float = 10
    keep_warm: float = 0
    """Seconds for which the web services of the former release run on, unserved, for a fast way back."""
    pre_release: Hook | None = None
    post_release: Hook | None = None

    @property
    def stateful(self) -> tuple[Service, ...]:
        return tuple(s for s in self.services.values() if s.stateful)

    @property
    def released(self) -> tuple[Service, ...]:
        """The services that a release replaces."""
        return tuple(s for s in self.services.values() if not s.stateful)

    @property
    def web(self) -> tuple[Service, ...]:
        return tuple(s for s in self.released if s.role == "web")

    @property
    def workers(self) -> tuple[Service, ...]:
        return tuple(s for s in self.released if s.role == "worker")

    @property
    def secret_names(self) -> tuple[str, ...]:
        """Every secret that some service or build takes."""
        names = {s.name for service in self.services.values() for s in service.secrets}
        for service in self.services.values():
            if service.build:
                names |= {n for n in service.build.secrets.values() if not n.startswith("/")}
                names |= {service.build.key} - {""}
        return tuple(sorted(names))

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(d for d in (self.domain, *self.domain_aliases) if d)

    @property
    def network(self) -> str:
        """The private network of the stack."""
        return self.name

    @property
    def data_project(self) -> str:
        """The Compose project of the stateful services."""
        return data_project(self.name)

    def project(self, colour: str) -> str:
        """The Compose project of a release of this colour."""
        return colour_project(self.name, colour)

    def volume(self, source: str) -> str:
        """A named volume, as the engine knows it."""
        return f"{self.name}_{source}"

    def container(self, service: Service, colour: str = "${COLOUR}") -> str:
        """The name of a service's container; the colour may be left to Compose to fill in."""
        if service.stateful or self.strategy == "recreate":
            return f"{self.name}-{service.name}"
        return f"{self.name}-{colour}-{service.name}"

    def alias(self, colour: str, service: str) -> str:
        """The DNS name of a web service on the edge network."""
        return f"{self.name}-{colour}-{service}"

    def upstreams(self, colour: str) -> dict[str, list[str]]:
        """What the edge sends each web service's requests to when this colour serves."""
        return {s.name: [f"{self.alias(colour, s.name)}:{s.port}"] for s in self.web}
