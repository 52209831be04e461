# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the host tells: the engine's containers, systemd's units, free space. Only reads."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..docker.api import SOCKET, DockerApi
from ..docker.containers import PROJECT, Container, parse_container
from ..docker.tasks import Task, containers_of
from ..errors import DockerError, UserError

_SECONDS = 20
# What the engine writes on the container of a task.
_TASK = "com.docker.swarm.task.id"
_GONE = re.compile(r"(?i)no such (container|object|image)")


@dataclass(frozen=True)
class Space:
    """Room in the file system of a directory."""

    path: str
    free: int
    size: int
    free_inodes: float
    """Their share, in percent; 100 where the file system does not count them."""


def run(argv: Sequence[str], harmless: re.Pattern[str] | None = None) -> str:
    """What a command prints.

    Args:
        argv: The command.
        harmless: What each line of its complaints holds when a failure does not count.

    Raises:
        UserError: It is missing, fails, or does not end.
    """
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise UserError(f"there is no {argv[0]} command on this host")
    except subprocess.TimeoutExpired:
        raise UserError(f"{argv[0]} {argv[1]} did not end within {_SECONDS} s")
    complaints = done.stderr.strip().splitlines()
    forgiven = harmless and complaints and all(harmless.search(line) for line in complaints)
    if done.returncode and not forgiven:
        told = (done.stderr or done.stdout).strip().splitlines() or [f"status {done.returncode}"]
        raise UserError(f"{argv[0]} {argv[1]} failed: {told[-1]}")
    return done.stdout


def containers() -> list[Container]:
    """The containers of all Compose projects, running or not; commands that ran once are left out.

    One that goes away between the list and the look at it is as good as gone.

    Raises:
        UserError: The engine does not answer.
    """
    ids = run(["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={PROJECT}"]).split()
    told = run(["docker", "inspect", "--type", "container", *ids], _GONE) if ids else ""
    of_tasks = tasks()
    # Of a swarm this node knows its own part by both ways.
    here = [c for c in json.loads(told or "[]") if not (of_tasks and _TASK in (c["Config"].get("Labels") or {}))]
    found = [*map(parse_container, here), *of_tasks]
    return sorted((container for container in found if container), key=lambda c: c.name)


def tasks() -> list[Container]:
    """The tasks of a swarm's services that a release made, as containers; none but on a manager.

    Raises:
        UserError: The swarm does not answer.
    """
    api = DockerApi(SOCKET, _SECONDS)
    try:
        if not (api.get("/info").get("Swarm") or {}).get("ControlAvailable"):
            return []
        services = [s for s in api.get("/services") if PROJECT in (s["Spec"].get("Labels") or {})]
        nodes = {node["ID"]: node for node in api.get("/nodes")} if services else {}
        found = [Task(task, nodes.get(task.get("NodeID", ""))) for task in (api.get("/tasks") if services else [])]
    except DockerError as error:
        raise UserError(f"the swarm does not answer: {error}")
    except UserError:
        # The docker command has found an engine elsewhere.
        return []
    return [replace(c, image=_id(api, c.image)) for c in containers_of(services, found, lambda addresses: ("", ""))]


def nodes() -> list[dict[str, Any]]:
    """The nodes of the swarm, if this host is one of its managers."""
    try:
        return list(DockerApi(SOCKET, _SECONDS).get("/nodes"))
    except (DockerError, UserError):
        return []


def _id(api: DockerApi, reference: str) -> str:
    """An image's id, where this node has it; the nodes are told a registry's digest."""
    with contextlib.suppress(DockerError):
        return str(api.get("/images/{}/json", reference)["Id"])
    return reference


def image_times(images: Sequence[str]) -> dict[str, str]:
    """When images were made, by their ids; one that is gone is left out.

    Raises:
        UserError: The engine does not answer.
    """
    if not images:
        return {}
    told = run(["docker", "image", "inspect", "--format", "{{.Id}} {{.Created}}", *images], _GONE)
    return dict(line.split(" ", 1) for line in told.splitlines() if " " in line)


def engine_directory() -> str:
    """Where the engine keeps its data."""
    return run(["docker", "info", "--format", "{{.DockerRootDir}}"]).strip()


def unit(name: str, *properties: str) -> dict[str, str]:
    """Properties of a systemd unit."""
    told = run(["systemctl", "show", name, f"--property={','.join(properties)}"])
    return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)


def space(path: str) -> Space:
    """Room where a directory lies."""
    found = os.statvfs(path)
    inodes = 100 * found.f_favail / found.f_files if found.f_files else 100.0
    return Space(path, found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, inodes)
