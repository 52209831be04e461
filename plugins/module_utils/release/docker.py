# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine's seam filled: questions go to its socket, changes through the docker command, Compose and buildx.

Changes go through the command because Compose has no other interface, and because a person who reads the process
list, or repeats a step by hand, meets what they know.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ..docker.containers import adopted_name
from ..errors import EngineError, TooLongError
from ..stack import Build
from ..stack.compose_runtime import HAS_A_CLIENT
from .dockercommands import DockerCommands, ended_badly
from .engine import Container, Image, Project

# docker run's own status: nothing was tried. A command or a shell that is not there gives others.
_ENGINE_FAILED = 125
_BUILD_TIMEOUT = 2 * 3600
_DIRECTORY = "com.docker.compose.project.working_dir"


class Docker(DockerCommands):
    """Engine on one host."""

    def wait(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(EngineError):
                self._ask("/version")
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.5)

    def pull(self, reference: str, platform: str = "") -> Image:
        self._docker("pull", "--quiet", *_platform(platform), reference)
        return self._present(reference)

    def build(
        self, build: Build, context: Path, tag: str, secrets: dict[str, Path], log: Path, platform: str = ""
    ) -> Image:
        argv = ["docker", "buildx", "build", *(["--builder", build.builder] if build.builder else [])]
        argv += ["--load", "--progress", "plain", "--provenance=false", "--tag", tag]
        argv += ["--file", str(context / build.dockerfile)]
        argv += [*(["--target", build.target] if build.target else []), *_platform(platform)]
        for name, value in build.args.items():
            argv += ["--build-arg", f"{name}={value}"]
        for name, path in secrets.items():
            argv += ["--secret", f"id={name},src={path}"]
        with log.open("a", encoding="utf-8") as stream:
            log.chmod(0o600)
            status = self._between_files([*argv, str(context)], _BUILD_TIMEOUT, stdout=stream, stderr=stream)
        if status:
            raise ended_badly(argv, status, log.read_text(encoding="utf-8", errors="replace"))
        return self._present(tag)

    def keep(self, image: Image, tag: str) -> None:
        there = self.image(tag)
        if not there or there.id != image.id:
            self._docker("tag", image.id, tag)

    def forget(self, tag: str) -> None:
        # Still used by a stopped container, or gone already: either way nothing is lost.
        with contextlib.suppress(EngineError):
            self._docker("image", "rm", "--no-prune", tag)

    def save(self, tags: Sequence[str], stream: IO[bytes]) -> None:
        self._moved(["docker", "save", *tags], stdout=stream)

    def load(self, stream: IO[bytes]) -> None:
        self._moved(["docker", "load", "--quiet"], stdin=stream, stdout=subprocess.DEVNULL)

    def user_id(self, image: Image, user: str) -> int:
        argv = ("run", "--rm", "--network", "none", "--user", user, "--entrypoint", "id", image.id, "-u")
        said = self._docker(*argv).strip()
        if not said.isdecimal():
            raise EngineError(f"{image.reference} says no number for its user {user}: {said[:80]!r}")
        return int(said)

    def can_ask(self, image: Image) -> bool:
        argv = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", image.id, "-c", HAS_A_CLIENT]
        done = self._run(argv, self._timeout)
        if done.returncode == _ENGINE_FAILED:
            raise ended_badly(argv, done.returncode, done.stderr)
        return not done.returncode

    def ensure_network(self, name: str) -> None:
        if not self.has_network(name):
            self._docker("network", "create", "--label", "deploy.sluice=true", name)

    def remove_network(self, name: str) -> None:
        self._docker("network", "rm", name)

    def remove_volume(self, name: str) -> None:
        self._docker("volume", "rm", name)

    def ensure_volume(self, name: str, owner: int | None) -> None:
        if self.volume_path(name):
            return
        self._docker("volume", "create", "--label", "deploy.sluice=true", name)
        place = self.volume_path(name)
        if owner and place:
            os.chown(place, owner, owner)

    def start_scratch(self, name: str, image: str, environment: Mapping[str, str]) -> None:
        variables = [part for key, value in environment.items() for part in ("--env", f"{key}={value}")]
        self._docker("run", "--detach", "--rm", "--name", name, "--network", "none", *variables, image)

    def discard(self, name: str) -> None:
        self._run(["docker", "rm", "--force", "--volumes", name], timeout=60)

    def up(self, project: Project, services: Sequence[str], anew: bool = False) -> None:
        services = self._left_to_compose(project, services, anew)
        if not services:
            return
        arguments = ["up", "--detach", "--no-deps", "--no-build", "--pull", "never"]
        # Compose keeps a container whose description is the same, and with it another release's files of secrets.
        directories = (labels.get(_DIRECTORY) for labels in self._labels(project.name, services))
        if anew or any(directory != str(project.directory) for directory in directories):
            arguments.append("--force-recreate")
        self._compose(project, *arguments, *services)

    def _left_to_compose(self, project: Project, services: Sequence[str], anew: bool) -> list[str]:
        """All but those that run in a container that was taken over, which Compose would start a second time."""
        names = {adopted_name(project.name, service): service for service in services}
        adopted = [c["Name"] for c in self._listed(project.name) if c["Name"] in names]
        if adopted and anew:
            self._docker("stop", *adopted)
            # What it kept in a volume without a name is not gone with it.
            self._docker("rm", *adopted)
        elif adopted:
            self._docker("start", *adopted)
        return [s for s in services if anew or adopted_name(project.name, s) not in adopted]

    def _labels(self, project: str, services: Sequence[str]) -> list[dict[str, str]]:
        found = [c["Labels"] for c in self._listed(project)]
        return [labels for labels in found if labels.get("com.docker.compose.service") in services]

    def rest_command(self, project: str, services: Sequence[str]) -> list[str]:
        held = [c.id for c in self.containers(project) if c.running and c.service in services]
        return ["docker", "stop", *held] if held else []

    def stop(self, project: str, services: Sequence[str] | None = None, wait: bool = True) -> None:
        chosen = [c.id for c in self.containers(project) if services is None or c.service in services]
        if chosen:
            self._docker("stop", *chosen)

    def pause(self, project: str, services: Sequence[str]) -> None:
        if chosen := [c.id for c in self.containers(project) if c.running and c.service in services]:
            self._docker("pause", *chosen)

    def unpause(self, project: str) -> None:
        if held := [c.id for c in self.containers(project) if c.state == "paused"]:
            self._docker("unpause", *held)

    def remove(self, project: str) -> None:
        # Those of hooks as well, which are no services of the project.
        if identifiers := [c["Id"] for c in self._listed(project)]:
            self._docker("rm", "--force", "--volumes", *identifiers)

    def logs(self, container: str, lines: int) -> str:
        argv = ["docker", "logs", "--tail", str(lines), container]
        done = self._run(argv, timeout=60, merge=True)
        if done.returncode:
            raise ended_badly(argv, done.returncode, done.stdout)
        return done.stdout

    def log(self, container: Container, lines: int, since: str) -> str:
        argv = ["docker", "logs", "--timestamps", "--tail", str(lines or "all"), *(["--since", since] if since else [])]
        done = self._run([*argv, container.id], timeout=60, merge=True)
        if done.returncode:
            raise EngineError(f"{container.name}: {ended_badly(argv, done.returncode, done.stdout)}")
        return done.stdout

    def run_once(
        self, project: Project, service: str, command: Sequence[str], timeout: float, name: str = ""
    ) -> tuple[int, str]:
        name = name or f"{project.name}-{service}-once"
        argv = self._compose_argv(project, "run", "--rm", "--no-deps", "-T", "--name", name, service, *command)
        try:
            done = self._run(argv, timeout=timeout, merge=True, colour=project.colour)
        except TooLongError as ended:
            self._run(["docker", "rm", "--force", name], timeout=60)
            return 124, f"{ended.output}\ndid not end within {timeout:g} s"
        return done.returncode, done.stdout

    def execute(self, container: str, command: Sequence[str], **streams: Any) -> int:
        argv = ["docker", "exec", *(["--interactive"] if streams.get("stdin") else []), container, *command]
        return self._between_files(argv, **streams)

    def _present(self, reference: str) -> Image:
        image = self.image(reference)
        if not image:
            raise EngineError(f"{reference} was fetched, yet the engine does not have it")
        return image


def _platform(platform: str) -> list[str]:
    return ["--platform", platform] if platform else []
