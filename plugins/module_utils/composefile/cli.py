# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compose itself, asked what a project's files say; nothing is started and nothing is pulled."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import EngineError, TooLongError, UserError

# The first in which an env_file may be optional, and in which includes, resets and several env files work.
MINIMUM = (2, 24, 0)
_VARIABLES = (
    "PATH",
    "HOME",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "GIT_SSH_COMMAND",
)
_WARNING = re.compile(r"^time=.* level=(warning|info|debug) ")


class Compose:
    """The `docker compose` of this machine."""

    def __init__(self, timeout: float = 120, argv: Sequence[str] = ("docker", "compose")) -> None:
        self._argv = tuple(argv)
        self._timeout = timeout

    def demand(self) -> str:
        """Its version.

        Raises:
            UserError: It is not there, or too old.
        """
        try:
            text = self._run(["version", "--short"], "").strip().lstrip("v")
        except EngineError as error:
            raise UserError(f"stack_compose: docker compose does not run here ({error}); install Docker Compose.")
        found = tuple(int(n) for n in re.findall(r"\d+", text)[:3])
        if found < MINIMUM:
            wanted = ".".join(map(str, MINIMUM))
            raise UserError(f"stack_compose: Docker Compose {text} is too old to read it; install {wanted} or later.")
        return text

    def config(
        self,
        directory: str,
        files: Sequence[str],
        env_files: Sequence[str],
        *,
        project: str = "",
        profiles: Sequence[str] = (),
        text: str = "",
    ) -> dict[str, Any]:
        """A project, resolved; its doubled dollars are undone.

        Args:
            directory: The project's.
            files: Paths of Compose files; `-` for `text`.
            env_files: What variables are filled in from; of several, the last counts.

        Raises:
            EngineError: What Compose says.
        """
        argv = _project(directory, files, env_files, profiles)
        argv += ["--project-name", project] if project else []
        answer = self._run([*argv, "config", "--format", "json"], text, directory)
        try:
            return dict(_plain(json.loads(answer)))
        except ValueError:
            raise EngineError("docker compose config answered no JSON")

    def services(self, directory: str, files: Sequence[str], env_files: Sequence[str]) -> list[str]:
        """The names of a project's services, those of every profile too, also where an env file is missing.

        Raises:
            EngineError: What Compose says.
        """
        argv = _project(directory, files, env_files, ["*"])
        return self._run([*argv, "config", "--services"], "", directory).split()

    def _run(self, argv: Sequence[str], text: str, directory: str | None = None) -> str:
        env = {k: os.environ[k] for k in _VARIABLES if k in os.environ}
        # A repository that wants a login is an error, and no question.
        env |= {"GIT_TERMINAL_PROMPT": "0", "COMPOSE_ANSI": "never"}
        env.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
        env.setdefault("HOME", str(Path.home()))
        try:
            done = subprocess.run(
                [*self._argv, *argv],
                cwd=directory,
                env=env,
                input=text,
                capture_output=True,
                timeout=self._timeout,
                check=False,
                encoding="utf-8",
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            raise TooLongError("docker compose config", self._timeout)
        except OSError as error:
            raise EngineError(f"{self._argv[0]}: {error.strerror}")
        if done.returncode:
            lines = [line for line in done.stderr.strip().splitlines() if not _WARNING.match(line)]
            raise EngineError("\n".join(lines) or f"docker compose ended with status {done.returncode}")
        return done.stdout


def _project(directory: str, files: Sequence[str], env_files: Sequence[str], profiles: Sequence[str]) -> list[str]:
    argv = ["--project-directory", directory]
    argv += [word for file in files for word in ("--file", file)]
    argv += [word for file in env_files for word in ("--env-file", file)]
    return argv + [word for profile in profiles for word in ("--profile", profile)]


def _plain(value: Any) -> Any:
    """Compose doubles every dollar of its answer, so that it can be read as a file again."""
    if isinstance(value, str):
        return value.replace("$$", "$")
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
