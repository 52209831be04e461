# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a service of the stack description is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, cast

# As Docker reads sizes of memory: every unit is binary, whatever it is called.
MEMORY = r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(?:([kKmMgGtT])(?:i?[bB])?|[bB])?"


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
    builder: str = ""
    """Of `docker buildx` where the image is built; its current one where empty."""


@dataclass(frozen=True)
class Health:
    """How to tell that a service works: an HTTP path on its port, a command in the container, or Compose's own test.

    Where none of `path`, `command` and `test` is set, the engine asks what the image says, if that says anything.
    """

    path: str = ""
    command: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    """As Compose has it, with its first word; `NONE` keeps the engine from asking what the image says."""
    none: bool = False
    """There is no check: staying up, and for a web service listening on its port, is all that is asked."""
    expect: str = ""
    """Text that the answer's body must hold: status 200 alone proves little."""
    interval: float = 5
    timeout: float = 5
    retries: int = 5
    start_period: float = 60
    start_interval: float | None = None

    @property
    def asked(self) -> bool:
        """Whether the description itself says what the engine asks."""
        return bool(self.path or self.command or (self.test and self.test[0] != "NONE"))


@dataclass(frozen=True)
class Secret:
    """A secret as one service takes it: an environment variable, a file whose path is in one, or a part of a text.

    As a text it takes the place of `%SECRET.NAME%` in what the service is started with and how its health is asked.
    """

    name: str
    kind: Literal["env", "file", "text"] = "env"
    env: str = ""
    """The variable: by default the name, for a file the name with `_FILE`."""
    unnamed: bool = False
    """No variable says where the file is."""
    uid: int | None = None
    """Who may read the file, where that is neither the service's nor the image's user."""
    path: str = ""
    """Where the file appears, if not in /run/secrets by its name."""

    @property
    def variable(self) -> str:
        if self.unnamed or self.kind == "text":
            return ""
        return self.env or (f"{self.name}_FILE" if self.kind == "file" else self.name)

    @property
    def place(self) -> str:
        """What tells it apart among the secrets of its service."""
        return self.variable or (self.mount if self.kind == "file" else f"%{self.name}%")

    @property
    def mount(self) -> str:
        return self.path or f"/run/secrets/{self.name}"


@dataclass(frozen=True)
class Volume:
    """A named volume of the stack, an absolute path of the server, or neither: a volume of the container's own."""

    source: str
    path: str
    read_only: bool = False
    backup: bool = True
    uid: int | None = None
    name: str = ""
    """How the engine knows it, where that is not the stack's name and the source."""
    external: bool = False
    """It must be there already."""
    driver: str = ""
    driver_opts: dict[str, str] = field(default_factory=dict)
    nocopy: bool = False
    propagation: str = ""
    subpath: str = ""

    @property
    def named(self) -> bool:
        return bool(self.source) and not self.source.startswith("/")


@dataclass(frozen=True)
class File:
    """A file or a directory that travels with a release: a path of the server that is copied, or a text."""

    path: str
    source: str = ""
    content: str = ""
    mode: str = "0644"
    """Of a text; what is copied keeps its own."""
    uid: int | None = None
    read_only: bool = False


@dataclass(frozen=True)
class Port:
    """A port of the server that leads to one of the container's."""

    port: int
    published: int
    protocol: Literal["tcp", "udp"] = "tcp"
    address: str = ""


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
