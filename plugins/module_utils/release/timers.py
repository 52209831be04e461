# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The server's own timers: backup, proof, check and prune without a play, and the app's scheduled jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import units
from ..application import application
from ..errors import UserError
from ..stack import Stack
from ..stack.jobs import Jobs
from ..units import File, known_schedule, timer

# Ansible ships to the server what a module imports: the commands must be among it.
from . import cli, scheduled
from .operations import OPERATIONS

_AT_EASE = "Nice=10\nIOSchedulingClass=best-effort\nIOSchedulingPriority=7\n"
_WHAT = {
    "backup": "Backup",
    "prove": "Proof of the newest backup",
    "check": "Check of the repository",
    "prune": "Pruning of the repository",
}


def planned(stack: str, settings: Mapping[str, Any], schedule: Mapping[str, str], root: Path) -> dict[Path, File]:
    """By path, content and mode of the files that the timers need.

    Raises:
        UserError: The schedule names an operation that is none, or a time that systemd does not know.
    """
    if unknown := sorted(schedule.keys() - set(OPERATIONS)):
        raise UserError(f"compose_stack_backup_schedule: {unknown[0]!r} is none of {', '.join(OPERATIONS)}.")
    wanted = {operation: when for operation, when in schedule.items() if when}
    if not wanted:
        return {}
    command, place = units.LIBRARY / "backup", root / stack / "backup.json"
    files: dict[Path, File] = {
        command: (_application(cli.__name__, command), 0o755),
        place: (json.dumps(settings, indent=1, sort_keys=True).encode(), 0o600),
    }
    for operation, when in wanted.items():
        known_schedule(when, f"compose_stack_backup_schedule.{operation}")
        what, argv = f"{_WHAT[operation]} of the stack {stack}", f"{command} {place} {operation}"
        files |= timer(f"sluice-{operation}-{stack}", what, when, argv, _AT_EASE, "RandomizedDelaySec=5m\n")
    return files


def planned_jobs(stack: Stack, root: Path) -> dict[Path, File]:
    """As `planned`, for the stack's scheduled jobs.

    Raises:
        UserError: systemd does not know a schedule.
    """
    if not stack.jobs:
        return {}
    for name, job in stack.jobs.items():
        known_schedule(job.schedule, f"stack_jobs.{name}.schedule")
    command, directory = units.LIBRARY / "job", root / stack.name
    told = {"jobs": {name: asdict(job) for name, job in stack.jobs.items()}}
    files: dict[Path, File] = {
        command: (_application(scheduled.__name__, command), 0o755),
        Jobs(directory).file: (json.dumps(told, indent=1, sort_keys=True).encode(), 0o600),
    }
    for name, job in stack.jobs.items():
        # The underscore keeps the job x of crm-eu apart from the job eu-x of crm.
        unit, argv = f"sluice-job-{stack.name}_{name}", f"{command} {directory} {name}"
        files |= timer(unit, f"Job {name} of the stack {stack.name}", job.schedule, argv)
    return files


def backup_units(stack: str) -> list[Path]:
    """Where the units of a stack's backups are, or would be."""
    names = [f"sluice-{operation}-{stack}" for operation in OPERATIONS]
    return [units.UNITS / f"{name}.{kind}" for name in names for kind in ("timer", "service")]


def job_files(stack: str, root: Path) -> list[Path]:
    """The units of a stack's scheduled jobs that are there, and where they are described."""
    return [*sorted(units.UNITS.glob(f"sluice-job-{stack}_*")), Jobs(root / stack).file]


def _application(module: str, place: Path) -> bytes:
    return application(module.rpartition(".module_utils.")[2], place)
