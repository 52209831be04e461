# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The server's own timers: backup, proof, check and prune without a play."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import commands
from ..application import application
from ..errors import UserError
from ..files import write_whole

# Ansible ships to the server what a module imports: the command must be among it.
from . import cli
from .operations import OPERATIONS

LIBRARY = Path("/usr/local/lib/sluice")
UNITS = Path("/etc/systemd/system")
_SERVICE = """\
[Unit]
Description={what} of the stack {stack}
After=docker.service network-online.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart={command} {settings} {operation}
Nice=10
IOSchedulingClass=best-effort
IOSchedulingPriority=7
"""
_TIMER = """\
[Unit]
Description={what} of the stack {stack}, by the clock

[Timer]
OnCalendar={when}
Persistent=true
RandomizedDelaySec=5m

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
        command: (application(cli.__name__.rpartition(".module_utils.")[2]), 0o755),
        place: (json.dumps(settings, indent=1, sort_keys=True).encode(), 0o600),
    }
    for operation, when in wanted.items():
        told = {"what": _WHAT[operation], "stack": stack, "when": when, "operation": operation}
        service = _SERVICE.format(**told, command=command, settings=place)
        files[UNITS / f"{_unit(operation, stack)}.service"] = (service.encode(), 0o644)
        files[UNITS / f"{_unit(operation, stack)}.timer"] = (_TIMER.format(**told).encode(), 0o644)
    return files


def install(stack: str, files: Mapping[Path, File], check: bool = False) -> bool:
    """Have these files and timers, and no others of the stack; whether anything changed.

    Raises:
        UserError: systemd refuses one.
    """
    units = [UNITS / f"{_unit(operation, stack)}.{kind}" for operation in OPERATIONS for kind in ("timer", "service")]
    stale = [unit for unit in units if unit not in files and unit.exists()]
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


def _unit(operation: str, stack: str) -> str:
    return f"sluice-{operation}-{stack}"


def _differs(path: Path, content: bytes, mode: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes() != content or path.stat().st_mode & 0o777 != mode
    return True


def _systemctl(*arguments: str) -> None:
    done = commands.run(["systemctl", *arguments])
    if done.returncode:
        raise UserError(f"systemctl {arguments[0]}: {done.stderr.strip()}; see compose_stack_backup_schedule")
