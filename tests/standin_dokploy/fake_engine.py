# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An engine without Docker: containers are rows, a build is a text, a repository is a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

HEALTHY = ("running", "Up 2 minutes (healthy)")


class FakeEngine:
    """Does what it is told.

    Attributes:
        build_output: Printed by each deployment.
        exit_code: Of each deployment.
        states: State and status of a service's container, where it is not healthy.
        repository: The Compose file that each clone yields.
        clone_failure: What git prints where it cannot clone.
        environments: The .env of each deployment, as written for Compose.
        logs: Printed by each container.
        image_size: Of each image.
        image_variables: In each image.
    """

    def __init__(self) -> None:
        self.build_output = ""
        self.logs = ""
        self.image_size = 1_000_000
        self.image_variables: list[str] = []
        self.exit_code = 0
        self.states: dict[str, tuple[str, str]] = {}
        self.repository = ""
        self.clone_failure = ""
        self.commit = "a" * 40
        self.environments: list[str] = []
        self.projects: dict[str, list[str]] = {}
        self.images: dict[str, str] = {}
        self.volumes: set[str] = set()

    def run(self, argv: list[str], directory: Path, log: Callable[[str], None]) -> int:
        words = set(argv)
        if argv[0] == "git":
            return self._git(argv, directory, log)
        if "network" in words:
            return 0
        project = argv[argv.index("-p") + 1]
        if "down" in words:
            self.projects.pop(project, None)
            if "--volumes" in words:
                self.volumes.discard(project)
        elif "up" in words:
            log(self.build_output)
            self.environments.append((directory / ".env").read_text())
            if self.exit_code == 0:
                compose = yaml.safe_load((directory / argv[argv.index("-f") + 1]).read_text())
                self.projects[project] = list(compose["services"])
                self.images |= {name: service.get("image", name) for name, service in compose["services"].items()}
                self.volumes.add(project)
            return self.exit_code
        return 0

    def _git(self, argv: list[str], directory: Path, log: Callable[[str], None]) -> int:
        if "clone" in argv and self.clone_failure:
            log(self.clone_failure)
            return 128
        if "clone" in argv:
            target = Path(argv[-1])
            target.mkdir(parents=True, exist_ok=True)
            (target / "docker-compose.yml").write_text(self.repository)
        else:
            log(f"{self.commit}\nthe commit's message\n")
        return 0

    def route(self) -> None:
        """Nothing answers here."""

    def containers(self, project: str) -> list[dict[str, Any]]:
        rows = []
        for service in self.projects.get(project, []):
            state, status = self.states.get(service, HEALTHY)
            name = f"{project}-{service}-1"
            rows.append({"containerId": f"id{service}", "name": name, "state": state, "status": status})
        return rows

    def container_log(self, container: str, tail: int) -> str:
        return f"log of {container}\n{self.logs}"

    def inspect(self, kind: str, name: str) -> dict[str, Any] | None:
        if kind == "image":
            config = {"Env": self.image_variables, "Labels": None}
            return {"Size": self.image_size, "Config": config} if name.startswith("sha256:") else None
        service = name.removeprefix("id")
        if service not in self.images:
            return None
        config = {"Image": self.images[service], "Labels": {"com.docker.compose.service": service}}
        return {"Image": f"sha256:{service}", "Config": config}
