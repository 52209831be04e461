# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stack description: what an app consists of, as every role reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .parts import Build, File, Health, Limits, Port, Secret, Volume

# Colour and service follow in a DNS label of at most 63 characters.
STACK_NAME = r"[a-z][a-z0-9-]{0,28}[a-z0-9]"
Strategy = Literal["blue_green", "recreate"]
EngineName = Literal["compose", "swarm"]
Colour = Literal["blue", "green"]
Role = Literal["web", "internal", "worker", "job"]
Condition = Literal["started", "healthy", "completed"]

BACKUPS = ("", "none", "pause", "stop", "postgres", "mysql", "mariadb", "mongodb", "redis", "valkey")

COLOURS: tuple[Colour, ...] = ("blue", "green")


@dataclass(frozen=True)
class Service:
    name: str
    image: str = ""
    build: Build | None = None
    pull: Literal["missing", "always", "never", "controller"] = "missing"
    role: Role = "worker"
    stateful: bool = False
    port: int | None = None
    publish: tuple[Port, ...] = ()
    replicas: int = 1
    health: Health | None = None
    depends_on: dict[str, Condition] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    """Further names by which its siblings know it."""
    env: dict[str, str] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    volumes: tuple[Volume, ...] = ()
    files: tuple[File, ...] = ()
    tmpfs: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    user: str = ""
    limits: Limits = field(default_factory=Limits)
    read_only: bool = False
    cap_drop: tuple[str, ...] = ("ALL",)
    cap_add: tuple[str, ...] = ()
    runtime: dict[str, Any] = field(default_factory=dict)
    """Keys of Compose that reach it as they are."""
    stop_grace: float = 30
    timeout: float = 3600
    """Seconds in which a job has to end."""
    order: Literal["", "overlap", "stop_first"] = ""
    max_size: str = ""
    """Limit of the image's size, such as `500MB`; empty for none."""
    fail_on_log: tuple[str, ...] = ()
    """Patterns that fail a release when the new containers log them before the switch."""
    backup: str = ""
    """One of `BACKUPS`: a kind of database, how its files are copied, or none; empty for what its image tells."""

    @property
    def texts(self) -> dict[str, tuple[str, ...]]:
        """By key, the words in which secrets may stand."""
        words = {"entrypoint": self.entrypoint, "command": self.command}
        return words | ({"health": self.health.test or ("CMD", *self.health.command)} if self.health else {})

    @property
    def built_on_controller(self) -> bool:
        """Whether its image is built where Ansible runs, and carried."""
        return self.build is not None and self.pull == "controller"

    @property
    def stops_first(self) -> bool:
        """Whether the old one ends before the new one starts."""
        return self.order == "stop_first"


@dataclass(frozen=True)
class Route:
    """A path prefix of the site and the service that answers it."""

    path: str
    service: str
    host: str = ""
    """The name that it belongs to; empty for the stack's domain and its aliases."""
    port: int | None = None
    """Where the service answers it, if that is not the service's own port."""
    rate_limit: str = ""
    burst: int = 0
    body_size: str = ""
    timeout: float = 60
    stream: bool = False
    """Server-sent events and other long answers: not buffered, not limited."""

    @property
    def upstream(self) -> str:
        """Its key among the upstreams that the edge is told."""
        return f"{self.service}:{self.port}" if self.port else self.service


@dataclass(frozen=True)
class Hook:
    """A command that runs in a service's new image with its new environment."""

    service: str
    command: tuple[str, ...]
    timeout: float = 600


@dataclass(frozen=True)
class Job:
    """A command that runs by the clock, in a service of the release that serves."""

    service: str
    command: tuple[str, ...]
    schedule: str
    """When, as systemd's OnCalendar has it."""
    timeout: float = 3600
    """Seconds in which it has to end."""


WILDCARD = "*."
"""What an alias begins with that stands for every name of one more label."""


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
    engine: EngineName = "compose"
    """What runs it: one host, or several."""
    drain: float = 10
    keep_warm: float = 0
    """Seconds for which the web services of the former release run on, unserved, for a fast way back."""
    pre_release: Hook | None = None
    post_release: Hook | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    logging: dict[str, Any] = field(default_factory=dict)
    """Driver and options of every service's log, as Compose has them; empty where the engine's own count."""

    @property
    def stateful(self) -> tuple[Service, ...]:
        return tuple(s for s in self.services.values() if s.stateful)

    @property
    def released(self) -> tuple[Service, ...]:
        """The services that a release replaces, and its jobs."""
        return tuple(s for s in self.services.values() if not s.stateful)

    @property
    def running(self) -> tuple[Service, ...]:
        """The services of a release that stay up."""
        return tuple(s for s in self.released if s.role != "job")

    @property
    def warm(self) -> tuple[Service, ...]:
        """What answers, and may go on beside another release; nothing where a part of it may not."""
        answering = tuple(s for s in self.running if s.role != "worker")
        return () if any(s.stops_first for s in answering) else answering

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

    def volume(self, volume: Volume) -> str:
        """A named volume, as the engine knows it."""
        return volume.name or f"{self.name}_{volume.source}"

    def container(self, service: Service, colour: str = "${COLOUR}") -> str:
        """The name of a service's container, or what all its containers answer to where there are several.

        The colour may be left to Compose to fill in.
        """
        if service.replicas == 1 and (service.stateful or self.strategy == "recreate"):
            return f"{self.name}-{service.name}"
        return self.alias(colour, service.name)

    def alias(self, colour: str, service: str) -> str:
        """The DNS name of a web service on the edge network."""
        return f"{self.name}-{colour}-{service}"

    def upstreams(self, colour: str) -> dict[str, list[str]]:
        """What the edge sends requests to when this colour serves, by service, or by service and port of a route."""
        ports = {s.name: s.port for s in self.web if s.port}
        ports |= {r.upstream: r.port for r in self.routes if r.port}
        return {key: [f"{self.alias(colour, key.partition(':')[0])}:{port}"] for key, port in ports.items()}

    def host(self, service: Service) -> str:
        """The site's name by which a service is asked; empty where the stack has no domain."""
        return next((r.host for r in self.routes if r.service == service.name), "") or self.domain

    def needs(self, service: Service) -> dict[str, Condition]:
        """What must be there before a service of the release starts: its own word, else web services before workers."""
        if service.depends_on or service.stateful or service.role != "worker":
            return service.depends_on
        if any(service.name in other.depends_on for other in self.released):
            return {}
        return {s.name: "healthy" for s in self.web}
