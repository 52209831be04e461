# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The docker command and Compose, run to their end or for as long as they may take."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Any

from ..errors import EngineError, TooLongError
from .engine import Project
from .questions import Questions

_LINES_OF_ERROR = 12
# What a dump or its way back may take: hours for a large database, and not for ever for one that hangs.
_EXECUTE_TIMEOUT = 12 * 3600


class DockerCommands(Questions):
    """How the engine is changed."""

    def __init__(self, inherit: Sequence[int] = (), timeout: float = 600) -> None:
        super().__init__()
        self._inherit = tuple(inherit)
        self._timeout = timeout

    def _compose_argv(self, project: Project, *arguments: str) -> list[str]:
        argv = ["docker", "compose", "--progress", "quiet", "--project-name", project.name]
        argv += [
            "--project-directory",
            str(project.directory),
            "--file",
            str(project.directory / "compose.yml"),
        ]
        override = project.directory / "secrets.yml"
        if override.exists():
            argv += ["--file", str(override)]
        return [*argv, *arguments]

    def _compose(self, project: Project, *arguments: str) -> str:
        return self._checked(self._compose_argv(project, *arguments), self._timeout, project.colour)

    def _docker(self, *arguments: str, timeout: float = 0) -> str:
        return self._checked(["docker", *arguments], timeout or self._timeout)

    def _checked(self, argv: list[str], timeout: float, colour: str = "", said: str = "") -> str:
        done = self._run(argv, timeout, colour=colour, said=said)
        if done.returncode:
            raise ended_badly(argv, done.returncode, done.stderr or done.stdout)
        return done.stdout

    def _run(
        self, argv: list[str], timeout: float, merge: bool = False, colour: str = "", said: str = ""
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                argv,
                **({"input": said} if said else {"stdin": subprocess.DEVNULL}),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if merge else subprocess.PIPE,
                pass_fds=self._inherit,
                env={**os.environ, "COLOUR": colour},
                timeout=timeout,
                check=False,
                encoding="utf-8",
                errors="replace",
            )
        except subprocess.TimeoutExpired as expired:
            output = expired.stdout or b""
            text = output if isinstance(output, str) else output.decode(errors="replace")
            raise TooLongError(" ".join(argv[:2]), timeout, text)
        except OSError as error:
            raise _not_run(argv[0], error)

    def _moved(self, argv: list[str], **streams: Any) -> None:
        with tempfile.TemporaryFile("w+", errors="replace") as said:
            if status := self._between_files(argv, stderr=said, **streams):
                said.seek(0)
                raise ended_badly(argv, status, said.read())

    def _between_files(self, argv: list[str], timeout: float = 0, **streams: Any) -> int:
        """Run a command that reads and writes files of ours; its exit status."""
        timeout = timeout or _EXECUTE_TIMEOUT
        try:
            quiet = {"stdin": subprocess.DEVNULL, **streams}
            return subprocess.run(argv, pass_fds=self._inherit, timeout=timeout, check=False, **quiet).returncode
        except subprocess.TimeoutExpired:
            raise TooLongError(" ".join(argv[:2]), timeout)
        except OSError as error:
            raise _not_run(argv[0], error)


def _not_run(command: str, error: OSError) -> EngineError:
    if isinstance(error, FileNotFoundError):
        return EngineError(f"there is no {command} command on this server: run the docker_host role first")
    return EngineError(f"the command {command} does not run: {error}")


def ended_badly(argv: Sequence[str], status: int, said: str) -> EngineError:
    """A command that ended badly: its last lines, or where it said nothing that it did."""
    last = "\n".join(said.strip().splitlines()[-_LINES_OF_ERROR:])
    return EngineError(last or f"{' '.join(argv[:2])} ended with status {status} and said nothing")
