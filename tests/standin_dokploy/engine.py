# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries commands out with the real docker, git and nginx."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import edge

Row = dict[str, Any]


class DockerEngine:
    """The engine that a server has.

    Args:
        routes: Where nginx reads its routes from, beside the files that they name; none are made without it.
    """

    def __init__(self, routes: Path | None = None) -> None:
        self._routes = routes

    def route(self) -> None:
        """Lead requests to the containers that run now."""
        if not self._routes:
            return
        listed = _output("docker", "ps", "--quiet", "--filter", "label=traefik.enable=true").split()
        # One that ended meanwhile is left out, with an error of the command.
        shown = subprocess.run(["docker", "inspect", *listed], capture_output=True, text=True, check=False).stdout
        found = json.loads(shown) if listed else []
        self._routes.write_text(edge.render(edge.routers(found), self._routes.parent))
        _output("nginx", "-s", "reload")

    def run(self, argv: list[str], directory: Path, log: Callable[[str], None]) -> int:
        process = subprocess.Popen(
            argv, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        assert process.stdout
        for line in process.stdout:
            log(line)
        return process.wait()

    def containers(self, project: str) -> list[Row]:
        form = "{{.ID}}|{{.Names}}|{{.State}}|{{.Status}}"
        argv = [
            "docker",
            "ps",
            "-a",
            "--format",
            form,
            "--filter",
            f"label=com.docker.compose.project={project}",
        ]
        lines = _output(*argv).splitlines()
        return [dict(zip(("containerId", "name", "state", "status"), line.split("|"), strict=True)) for line in lines]

    def inspect(self, kind: str, name: str) -> Row | None:
        done = subprocess.run(["docker", kind, "inspect", name], capture_output=True, text=True, check=False)
        rows: list[Row] = json.loads(done.stdout) if done.returncode == 0 else []
        return rows[0] if rows else None

    def container_log(self, container: str, tail: int) -> str:
        argv = ["docker", "container", "logs", "--timestamps", "--tail", str(tail), container]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
