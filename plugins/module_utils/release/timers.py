# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The server's own timers: backup, proof, check and prune without a play, and the app's scheduled jobs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import commands
from ..application import application
from ..errors import UserError
from ..files import write_whole
from ..stack import Stack
from ..stack.jobs import Jobs

# Ansible ships to the server what a module imports: the commands must be among it.
from . import cli, scheduled
from .operations import OPERATIONS

LIBRARY = Path("/usr/local/lib/sluice")
UNITS = Path("/etc/systemd/system")
_SERVICE = """\
[Unit]
Description={what}
After=docker.service network-online.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart={command}
{further}"""
_AT_EASE = "Nice=10\nIOSchedulingClass=best-effort\nIOSchedulingPriority=7\n"
_TIMER = """\
[Unit]
Description={what}, by the clock

[Timer]
OnCalendar={when}
Persistent=true
AccuracySec=1s
{further}
[Install]
WantedBy=timers.target
"""
_WHAT = {
    "backup": "Backup",
    "prove": "Proof of the newest backup",
    "check": "Check of the repository",
    "prune": "Pruning of the repository",
}
File = tuple[bytes, int]
"""Content and mode."""


def planned(stack: str, settings: Mapping[str, Any], schedule: Mapping[str, str], root: Path) -> dict[Path, File]:
    """By path, content and mode of the files that the timers need.

    Raises:
        UserError: The schedule names an operation that is none.
    """
    if unknown := sorted(schedule.keys() - set(OPERATIONS)):
        raise UserError(f"compose_stack_backup_schedule: {unknown[0]!r} is none of {', '.join(OPERATIONS)}.")
    wanted = {operation: when for operation, when in schedule.items() if when}
    if not wanted:
        return {}
    command, place = LIBRARY / "backup", root / stack / "backup.json"
    files: dict[Path, File] = {
        command: (_application(cli.__name__), 0o755),
        place: (json.dumps(settings, indent=1, sort_keys=True).encode(), 0o600),
    }
    for operation, when in wanted.items():
        what, argv = f"{_WHAT[operation]} of the stack {stack}", f"{command} {place} {operation}"
        files |= _units(f"sluice-{operation}-{stack}", what, when, argv, _AT_EASE, "RandomizedDelaySec=5m\n")
    return files


def planned_jobs(stack: Stack, root: Path) -> dict[Path, File]:
    """As `planned`, for the stack's scheduled jobs.

    Raises:
        UserError: systemd does not know a schedule.
    """
    if not stack.jobs:
        return {}
    for name, job in stack.jobs.items():
        if commands.run(["systemd-analyze", "calendar", "--", job.schedule]).returncode:
            raise UserError(
                f"stack_jobs.{name}.schedule: systemd does not know {job.schedule!r}; write it as OnCalendar has it,"
                " such as 03:00, or Mon *-*-* 04:30"
            )
    command, directory = LIBRARY / "job", root / stack.name
    told = {"jobs": {name: asdict(job) for name, job in stack.jobs.items()}}
    files: dict[Path, File] = {
        command: (_application(scheduled.__name__), 0o755),
        Jobs(directory).file: (json.dumps(told, indent=1, sort_keys=True).encode(), 0o600),
    }
    for name, job in stack.jobs.items():
        # The underscore keeps the job x of crm-eu apart from the job eu-x of crm.
        unit, argv = f"sluice-job-{stack.name}_{name}", f"{command} {directory} {name}"
        files |= _units(unit, f"Job {name} of the stack {stack.name}", job.schedule, argv)
    return files


def backup_units(stack: str) -> list[Path]:
    """Where the units of a stack's backups are, or would be."""
    return [UNITS / f"sluice-{operation}-{stack}.{kind}" for operation in OPERATIONS for kind in ("timer", "service")]


def job_files(stack: str, root: Path) -> list[Path]:
    """The units of a stack's scheduled jobs that are there, and where they are described."""
    return [*sorted(UNITS.glob(f"sluice-job-{stack}_*")), Jobs(root / stack).file]


def _units(unit: str, what: str, when: str, argv: str, service: str = "", timer: str = "") -> dict[Path, File]:
    return {
        UNITS / f"{unit}.service": (_SERVICE.format(what=what, command=argv, further=service).encode(), 0o644),
        UNITS / f"{unit}.timer": (_TIMER.format(what=what, when=when, further=timer).encode(), 0o644),
    }


def _application(module: str) -> bytes:
    return application(module.rpartition(".module_utils.")[2])


def install(files: Mapping[Path, File], former: Iterable[Path], check: bool = False) -> bool:
    """Have these files and timers; whether anything changed.

    Args:
        former: Files that were there for the same end; what is not among the files goes.

    Raises:
        UserError: systemd refuses one.
    """
    stale = [unit for unit in former if unit not in files and unit.exists()]
    differing = {path: told for path, told in files.items() if _differs(path, *told)}
    if check or not (stale or differing):
        return bool(stale or differing)
    for path, (content, mode) in differing.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content, mode)
    if timers := [unit.name for unit in stale if unit.suffix == ".timer"]:
        _systemctl("disable", "--now", *timers)
    for unit in stale:
        unit.unlink()
    _systemctl("daemon-reload")
    if timers := [path.name for path in files if path.suffix == ".timer"]:
        _systemctl("enable", *timers)
        # One that runs goes by its old times until it is started anew.
        _systemctl("restart", *timers)
    return True


def _differs(path: Path, content: bytes, mode: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes() != content or path.stat().st_mode & 0o777 != mode
    return True


def _systemctl(*arguments: str) -> None:
    done = commands.run(["systemctl", *arguments])
    if done.returncode:
        raise UserError(f"systemctl {' '.join(arguments)}: {done.stderr.strip()}")
