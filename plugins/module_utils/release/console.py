# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person wants to see and to run in a stack that serves: logs and commands, secrets masked."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import UserError, nearest
from ..secretvalues.terminal import fit_for_terminal
from ..secretvalues.values import redact
from ..stack import Service, Stack
from ..stack.directory import Deployed, StackState, read_description
from ..stack.parse import parse_stack
from .engine import Container, Engine, Project
from .engines import engine_of

OPTIONS: dict[str, dict[str, Any]] = {
    "stack": {"type": "str", "required": True},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "root": {"type": "path", "default": "/var/lib/sluice/stacks"},
}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.?\d*Z) (.*)", re.DOTALL)
# What of a command's output is shown: its end.
_SHOWN = 1 << 20


@dataclass(frozen=True)
class Line:
    """A line of a container's log."""

    at: str
    """When, as RFC 3339 with nanoseconds: lines sort by it."""
    service: str
    text: str


class Console:
    """A stack that serves on this host."""

    def __init__(self, root: str, stack: str, secrets: Mapping[str, Any], engine: Engine | None = None) -> None:
        self._state = StackState(root, stack)
        self._secrets = [str(value) for value in secrets.values()]
        current = self._state.serving().current if self._state.recorded else None
        described = read_description(self._state.release_directory(current.release)) if current else None
        if not current or not described:
            raise UserError(f"stack: no release of {stack!r} serves on this host; release one with playbooks/site.yml.")
        self.current: Deployed = current
        self.stack: Stack = parse_stack(described["description"])
        self._engine: Engine = engine or engine_of(self.stack)

    def service(self, name: str) -> Service:
        """A service of the release that serves.

        Raises:
            UserError: There is none of the name.
        """
        if name not in self.stack.services:
            hint = nearest(name, self.stack.services) or f"; they are {', '.join(self.stack.services)}"
            raise UserError(f"service: the release that serves has no service {name!r}{hint}.")
        return self.stack.services[name]

    def containers(self, names: Iterable[str] = ()) -> list[Container]:
        """The containers of the services, running or not; of all services by default."""
        chosen = [self.service(name).name for name in names] or list(self.stack.services)
        projects = (self.stack.data_project, self.stack.project(self.current.colour))
        return [c for project in projects for c in self._engine.containers(project) if c.service in chosen]

    def logs(self, names: Sequence[str] = (), since: str = "", grep: str = "", most: int = 200) -> list[Line]:
        """The newest lines of the services' logs, oldest first.

        Args:
            since: Only what is newer: an RFC 3339 moment, or a Go duration such as `10m`, as `docker logs` takes it.
            grep: A regular expression that lines must match, after secrets are masked.
            most: How many lines at the most.

        Raises:
            UserError: There is no such service, or the expression is none.
            EngineError: The engine keeps no logs that can be read.
        """
        try:
            wanted = re.compile(grep)
        except (re.error, RecursionError, OverflowError) as error:
            raise UserError(f"grep: {grep[:80]!r} is not a regular expression ({error}).")
        lines: list[Line] = []
        for container in self.containers(names):
            # Of what is filtered, the newest may lie far back.
            text = self._engine.log(container, 0 if grep or since else most, since)
            for line in self._masked(text).splitlines():
                moment = _MOMENT.fullmatch(line)
                at, said = moment.groups() if moment else (lines[-1].at if lines else "", line)
                if wanted.search(said):
                    lines.append(Line(at, container.service, said))
        return sorted(lines, key=lambda line: line.at)[-most:]

    def run(
        self, name: str, command: Sequence[str], where: str, timeout: float, container: str = ""
    ) -> tuple[int, str]:
        """A command, in a new container of the release's image with its environment, or in one that runs.

        Args:
            where: `new` or `running`.
            timeout: Seconds after which it is ended.
            container: The new container's name.

        Returns:
            The command's exit status, 124 where it was ended, and what it printed, secrets masked.

        Raises:
            UserError: There is no such service, or it does not run.
        """
        service = self.service(name)
        if where == "running":
            return self._execute(service, command, timeout)
        directory = self._state.data if service.stateful else self._state.release_directory(self.current.release)
        project = self.stack.data_project if service.stateful else self.stack.project(self.current.colour)
        where_to = Project(project, directory, self.current.colour)
        status, output = self._engine.run_once(where_to, name, command, timeout, container)
        return status, self._masked(output[-_SHOWN:])

    def _execute(self, service: Service, command: Sequence[str], timeout: float) -> tuple[int, str]:
        running = [c for c in self.containers([service.name]) if c.running]
        if not running:
            raise UserError(f"service: no container of {service.name} runs; start it, or use where: new.")
        with tempfile.TemporaryFile() as stream:
            # The command itself ends with its time: what only docker exec ends goes on in the container.
            bounded = ["timeout", f"{timeout:g}", *command]
            status = self._engine.execute(running[0].id, bounded, stdout=stream, stderr=stream)
            stream.seek(max(0, stream.tell() - _SHOWN))
            return status, self._masked(stream.read().decode("utf-8", "replace"))

    def _masked(self, text: str) -> str:
        return fit_for_terminal(redact(text, self._secrets))
