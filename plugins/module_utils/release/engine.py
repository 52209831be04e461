# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The seam to what runs containers: everything a release asks of it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from ..docker.containers import Container as Container
from ..stack import Build


@dataclass(frozen=True)
class Image:
    """An image that is present on the server."""

    id: str
    reference: str
    """What was asked for."""
    digest: str = ""
    """The registry's digest, where a registry gave one."""
    user: str = ""
    size: int = 0
    platform: str = ""
    """As `linux/arm64/v8`."""


@dataclass(frozen=True)
class Project:
    """A Compose project: its name, and the directory that holds its rendered files."""

    name: str
    directory: Path
    colour: str = ""


class Engine(Protocol):
    """What a release needs; Docker Compose is one, an orchestrator over several machines could be another."""

    def wait(self, seconds: float) -> bool:
        """Wait for an engine that is restarting; whether it answers."""

    def start_interval(self) -> bool:
        """Whether health checks may run at a faster pace while a container starts."""

    def image(self, reference: str) -> Image | None:
        """A present image."""

    def pull(self, reference: str, platform: str = "") -> Image: ...

    def build(
        self, build: Build, context: Path, tag: str, secrets: dict[str, Path], log: Path, platform: str = ""
    ) -> Image: ...

    def keep(self, image: Image, tag: str) -> None:
        """Tag an image, so that no clean-up takes it while a release needs it."""

    def forget(self, tag: str) -> None:
        """Remove such a tag, and the image when it was the last."""

    def user_id(self, image: Image, user: str) -> int:
        """The number of a user that the image knows by name."""

    def can_ask(self, image: Image) -> bool:
        """Whether a container of the image can send itself an HTTP request, as a check of its health."""

    def free_bytes(self) -> int:
        """Space left where the engine keeps images and volumes."""

    def papers(self, image: Image) -> dict[str, Any]:
        """What the image says of itself to anyone who has it: `config` with its `Env`, and `history` oldest first."""

    def counts_files(self) -> bool:
        """Whether an image's `size` is that of its files; a store that keeps layers compressed does not tell it."""

    def archive(self, image: Image) -> Iterator[bytes]:
        """The image as `docker save` writes it."""

    def save(self, tags: Sequence[str], stream: IO[bytes]) -> None:
        """Images with their tags, as one archive."""

    def load(self, stream: IO[bytes]) -> None:
        """The images of such an archive are there, with their tags."""

    def tags(self, pattern: str) -> list[str]:
        """Images' tags such as `sluice/crm-*`."""

    def has_network(self, name: str) -> bool: ...

    def ensure_network(self, name: str) -> None: ...

    def remove_network(self, name: str) -> None: ...

    def volumes(self, prefix: str) -> list[str]:
        """Volumes of ours whose names begin so."""

    def remove_volume(self, name: str) -> None: ...

    def ensure_volume(self, name: str, owner: int | None) -> None:
        """Make a volume; a new one belongs to the given user id."""

    def volume_path(self, name: str) -> Path | None:
        """Where a volume's files lie on the server."""

    def start_scratch(self, name: str, image: str, environment: Mapping[str, str]) -> None:
        """Start a container of its own, with no network and no volume that outlives it."""

    def discard(self, name: str) -> None:
        """Remove such a container, if it is there."""

    def up(self, project: Project, services: Sequence[str], anew: bool = False) -> None:
        """Services run as the project's files say; what was made so already is left alone, unless it is to be anew."""

    def containers(self, project: str) -> list[Container]: ...

    def stop(self, project: str, services: Sequence[str] | None = None, wait: bool = True) -> None:
        """Stop gracefully, keep the containers; all services by default.

        Args:
            wait: Whether nothing may run any more afterwards; else they may end by themselves, which is sure by then.
        """

    def rest_command(self, project: str, services: Sequence[str]) -> list[str]:
        """The command that stops what runs of these services now; empty where nothing does."""

    def pause(self, project: str, services: Sequence[str]) -> None:
        """Hold the processes of running services still, wherever they are."""

    def unpause(self, project: str) -> None:
        """Let everything of the project that is held still go on."""

    def remove(self, project: str) -> None:
        """Remove all containers of the project; volumes and networks stay."""

    def logs(self, container: str, lines: int) -> str:
        """The last lines, both streams.

        Raises:
            EngineError: The engine keeps none that can be read.
        """

    def log(self, container: Container, lines: int, since: str) -> str:
        """Both streams, each line with its moment in front.

        Args:
            container: Whose.
            lines: How many of the last; all for 0.
            since: Only what is newer: an RFC 3339 moment, or a Go duration such as `10m`; all when it is empty.

        Raises:
            EngineError: The engine keeps none that can be read.
        """

    def run_once(
        self, project: Project, service: str, command: Sequence[str], timeout: float, name: str = ""
    ) -> tuple[int, str]:
        """Run a command in a service's image with its environment; its exit status and output.

        Args:
            timeout: Seconds.
            name: The container's; by default one after the service.
        """

    def execute(self, container: str, command: Sequence[str], **streams: Any) -> int:
        """Run a command in a running container with the given stdin, stdout, stderr; its exit status."""


@dataclass(frozen=True)
class Member:
    """A container of a Compose project of another's making."""

    id: str
    name: str
    service: str
    restart: str
    """The engine's policy for it."""
    networks: tuple[str, ...] = ()
    binds: tuple[tuple[str, str], ...] = ()
    """Directories of the server, each with its place in the container."""
    stays: bool = False
    """Whether it runs on, as the stack's."""


class Foreign(Protocol):
    """What is asked of the engine about a project of another's making."""

    def members(self, project: str) -> list[Member]:
        """Its containers that run."""

    def retire(self, members: Sequence[Member]) -> None:
        """They stop, and no restart of the engine wakes them."""

    def revive(self, members: Sequence[Member]) -> None:
        """They run as before."""

    def differences(
        self, project: Project, members: Mapping[str, Member], places: Mapping[str, str]
    ) -> dict[str, list[str]]:
        """In what members, by service, are not what Compose would make of the project's files; nothing of it stays.

        Args:
            places: Directories of the stack that are to be others of the server.
        """

    def adopt(self, member: Member, name: str, network: str, names: Sequence[str]) -> None:
        """It runs on, under a name that makes it the stack's, and answers on the stack's network."""

    def give_back(self, member: Member, network: str) -> None:
        """It runs on, as its own project's."""

    def lend(self, container: str, network: str, names: Sequence[str]) -> None:
        """A container answers on a further network to further names."""
