# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""systemd units of ours, with the commands and settings that they need: installed as one, gone as one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from . import commands
from .errors import UserError
from .files import differing, write_whole

LIBRARY = Path("/usr/local/lib/sluice")
UNITS = Path("/etc/systemd/system")
# What is enabled; a service is started by it.
_STARTERS = (".timer", ".path")
_SERVICE = """\
[Unit]
Description={what}
After=docker.service network-online.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart={command}
{further}"""
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
File = tuple[bytes, int]
"""Content and mode."""


def known_schedule(schedule: str, setting: str) -> str:
    """The schedule, if systemd takes it.

    Raises:
        UserError: It does not; names the setting.
    """
    # It stands on a line of a unit, in which a % has a meaning of its own.
    wrong = not schedule.isprintable() or "%" in schedule
    if not wrong and shutil.which("systemd-analyze"):
        wrong = commands.run(["systemd-analyze", "calendar", "--", schedule]).returncode != 0
    if wrong:
        raise UserError(
            f"{setting}: systemd does not know {schedule!r}; write it as OnCalendar has it, such as 03:00, *:0/15, or"
            " Mon *-*-* 04:30"
        )
    return schedule


def timer(unit: str, what: str, when: str, command: str, service: str = "", further: str = "") -> dict[Path, File]:
    """A timer and its service.

    Args:
        unit: Their name, without what tells them apart.
        when: As OnCalendar has it.
        command: A command line as systemd reads it.
        service: Further lines for the service.
        further: Further lines for the timer.
    """
    return {
        UNITS / f"{unit}.service": (_SERVICE.format(what=what, command=command, further=service).encode(), 0o644),
        UNITS / f"{unit}.timer": (_TIMER.format(what=what, when=when, further=further).encode(), 0o644),
    }


def install(files: Mapping[Path, File], former: Iterable[Path], check: bool = False) -> bool:
    """Have these files and units; whether anything changed.

    Args:
        former: Files that were there for the same end; what is not among the files goes.

    Raises:
        UserError: systemd refuses one.
    """
    stale = [path for path in former if path not in files and path.exists()]
    changed = differing(files)
    if check or not (stale or changed):
        return bool(stale or changed)
    for path, (content, mode) in changed.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content, mode)
    if starters := [path.name for path in stale if path.suffix in _STARTERS]:
        _systemctl("disable", "--now", *starters)
    for path in stale:
        path.unlink()
    _systemctl("daemon-reload")
    if starters := [path.name for path in files if path.suffix in _STARTERS]:
        _systemctl("enable", *starters)
        # One that runs goes by its old times until it is started anew.
        _systemctl("restart", *starters)
    return True


def _systemctl(*arguments: str) -> None:
    done = commands.run(["systemctl", *arguments])
    if done.returncode:
        raise UserError(f"systemctl {' '.join(arguments)}: {done.stderr.strip()}")
