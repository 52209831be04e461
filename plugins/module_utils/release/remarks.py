# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release that went well leaves to say: where it had to trust, and what could be described better."""

from __future__ import annotations

import re

from ..stack import Stack
from .engine import Project
from .health import of_service
from .run import Run


def on_trust(run: Run, project: Project) -> list[str]:
    """The services of which nothing tells that they work, only that they are up."""
    found = run.engine.containers(project.name)
    trusted = [s for s in run.stack.running if s.health and not s.health.asked]
    return [
        f"Service {s.name} has no health check: it passed because it stayed up"
        f"{' and listens on its port' if s.role == 'web' else ''}. A check tells more, such as"
        f" stack_services.{s.name}.health: {{path: /healthz}}, a healthcheck of the Compose file, or of the image."
        for s in trusted
        if not any(c.health for c in of_service(found, s))
    ]


def on_sharing(stack: Stack) -> list[str]:
    """The services whose old and new containers both write to the same place while a release takes over."""
    return [
        f"Service {s.name}: the old and the new both write to {', '.join(written)} while a release takes over; say"
        f" stack_services.{s.name}.order: overlap where that is fine, or stop_first where only one may."
        for s in (stack.running if stack.strategy == "blue_green" else ())
        if not s.order and (written := [v.source for v in s.volumes if v.source and not v.read_only])
    ]


def on_data(before: str, after: str, names: list[str]) -> list[str]:
    """Of each stateful service what differs between two Compose files of them, such as `db (image, file /my.cnf)`."""
    told = []
    for name in names:
        old, new = _block(before, name), _block(after, name)
        if old != new:
            told.append(f"{name} ({', '.join(_changes(old, new)) if old else 'new'})")
    return told


def _block(text: str, service: str) -> list[str]:
    """A service's lines in a Compose file of our own making, without its name."""
    found = re.search(rf'^  "?{re.escape(service)}"?:\n((?:    .*\n)*)', text, re.MULTILINE)
    return found[1].splitlines() if found else []


def _changes(old: list[str], new: list[str]) -> list[str]:
    """The keys under which lines differ; of a file that travels with the release, its path."""
    found: dict[str, None] = {}
    for lines, others in ((old, new), (new, old)):
        key = ""
        for line in lines:
            if line[:4] == "    " and line[4:5].strip() not in ("", "-"):
                key = line.strip().partition(":")[0]
            if line not in others:
                place = line.strip().strip('-" ')
                file = place.removesuffix(":ro").rpartition(":")[2] if "/data-files/" in place else ""
                found[f"file {file}" if file else key] = None
    return list(found)
