# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A warm way back: for a while the web and internal services of the former release run on, unserved.

A note beside the release says what stops them. A timer of systemd stops them and removes the note; it holds
the stack's lock meanwhile, so that it never meets a run. Whoever needs the containers takes the note away first.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from pathlib import Path

from ..files import write_whole
from ..stack.directory import Deployed
from .health import all_run
from .run import Run
from .serving import stack_of

_NOTE = "warm"
_TIMEOUT = 60


def rest(run: Run, former: Deployed) -> None:
    """What served is put to rest: at once, or what answers after the stack's `keep_warm`."""
    project, seconds = run.project(former).name, run.stack.keep_warm
    warm = {service.name for service in stack_of(run, former).warm}
    stop = run.engine.rest_command(project, sorted(warm)) if seconds else []
    if stop:
        note = _note(run, former.release)
        write_whole(note, shlex.join(stop) + "\n")
        if schedule(f"sluice-cool-{run.stack.name}", seconds, _script(run, note)):
            cold = {c.service for c in run.engine.containers(project)} - warm
            run.engine.stop(project, sorted(cold), wait=False)
            run.notes.append(f"Release {former.release} stays warm for {seconds:g} s.")
            return
        note.unlink()
        run.notes.append("No timer of systemd can be set here, so the former release was not kept warm.")
    run.engine.stop(project, wait=False)


def holds(run: Run, target: Deployed) -> bool:
    """Whether a release is the one that was kept warm, and what answers runs."""
    warm = stack_of(run, target).warm
    return bool(warm) and _note(run, target.release).exists() and all_run(run, run.project(target), warm)


def end(run: Run) -> None:
    """No timer stops a container any more."""
    for note in run.state.releases.glob(f"*/{_NOTE}"):
        note.unlink()


def cool(run: Run, overdue_only: bool = False) -> None:
    """What is kept warm stops now; a timer that a reboot took away has not stopped it.

    Args:
        overdue_only: Only when its time is over.
    """
    previous = run.state.serving().previous
    note = _note(run, previous.release) if previous else None
    if not previous or not note or not note.exists():
        return
    if overdue_only and time.time() - note.stat().st_mtime < stack_of(run, previous).keep_warm:
        return
    run.engine.stop(run.project(previous).name)
    note.unlink()


def schedule(unit: str, seconds: float, script: str) -> bool:
    """Have systemd run a script later, in place of the one that it would have run; whether it will."""
    argv = ["systemd-run", "--quiet", "--collect", f"--unit={unit}", f"--on-active={seconds:g}"]
    unschedule(unit)
    return _done([*argv, "--timer-property=AccuracySec=1s", "/bin/sh", "-c", script])


def unschedule(unit: str) -> None:
    """Nothing is run later, or any more."""
    _done(["systemctl", "--quiet", "stop", f"{unit}.timer", f"{unit}.service"])


def _done(argv: list[str]) -> bool:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return not done.returncode


def _script(run: Run, note: Path) -> str:
    place = shlex.quote(str(note))
    stop = f"test -e {place} || exit 0; /bin/sh {place} && rm -f {place}"
    return f"exec flock {shlex.quote(str(run.state.lock_file))} /bin/sh -c {shlex.quote(stop)}"


def _note(run: Run, release: str) -> Path:
    return run.state.release_directory(release) / _NOTE
