# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What timers on the server call for the app: a scheduled job, in whichever release serves when it is due."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .. import commands
from ..errors import EngineError, UserError
from ..notices.tell import tell_change
from ..stack.directory import StackState
from ..stack.jobs import Jobs
from ..stack.yamlout import texts_of
from .console import Console
from .docker import Docker
from .run import LOG_LINES

_LENGTH = 4000
# After a boot, the engine has to bring the stack up first.
_AWAKE_SECONDS = 60
_RESTED = "the stack is at rest"


def main(argv: Sequence[str] = ()) -> int:
    """Exit status; what the job printed, secrets masked, is on stdout."""
    arguments = list(argv or sys.argv[1:])
    if len(arguments) != 2:
        print("usage: job STACK_DIRECTORY NAME", file=sys.stderr)
        return 2
    directory, name = Path(arguments[0]), arguments[1]
    engine = Docker()
    engine.wait(_AWAKE_SECONDS)
    outcome = perform(directory, name, engine)
    if outcome != _RESTED:
        tell_change("job", f"The job {name}", [outcome] if outcome else [], directory.name)
    if outcome:
        print(f"The job {name}: {outcome}", file=sys.stderr)
    return 1 if outcome and outcome != _RESTED else 0


def perform(directory: Path, name: str, engine: Docker, sleep: Callable[[float], None] = time.sleep) -> str:
    """Run a job of the stack whose directory this is, and put it on record; what is wrong, empty for nothing."""
    begin, jobs = time.time(), Jobs(directory)
    run: dict[str, Any] = {"at": begin, "release": "", "colour": "", "outcome": "", "output": ""}
    try:
        told = jobs.described()[name]
        console = Console(str(directory.parent), directory.name, secrets_of(directory), engine)
        run |= {"release": console.current.release, "colour": console.current.colour}
        run["outcome"] = _obstacle(console, name, sleep)
        if not run["outcome"]:
            container = _container(console, name)
            status, output = console.run(told["service"], told["command"], "new", told["timeout"], container)
            print(output)
            run["output"] = "\n".join(output.strip().splitlines()[-LOG_LINES:])[-_LENGTH:]
            run["outcome"] = f"it ended with status {status}" if status else ""
    except KeyError:
        run["outcome"] = f"there is no such job in {jobs.file}"
    except (UserError, EngineError, OSError, ValueError) as error:
        run["outcome"] = f"it could not begin: {error}"
    run["seconds"] = round(time.time() - begin, 1)
    # A full disk keeps it off the record, and out of nobody's sight: the unit has failed.
    with contextlib.suppress(OSError):
        jobs.note(name, run)
    return str(run["outcome"])


def secrets_of(directory: Path) -> dict[str, str]:
    """The values that the release that serves and its data services have, by where they stand."""
    state = StackState(str(directory.parent), directory.name)
    current = state.serving().current
    places = [state.data, *([state.release_directory(current.release)] if current else [])]
    return dict(pair for place in places for pair in _values(place))


def _values(place: Path) -> Iterator[tuple[str, str]]:
    override = place / "secrets.yml"
    if override.exists():
        for number, text in enumerate(texts_of(override.read_text(encoding="utf-8"))):
            # Compose takes a doubled dollar for one.
            yield f"{override}:{number}", text.replace("$$", "$")
    for path in (place / "secrets").glob("*/*"):
        yield str(path), path.read_text(encoding="utf-8", errors="replace")


def _obstacle(console: Console, name: str, sleep: Callable[[float], None]) -> str:
    """What keeps the job from running now."""
    container = _container(console, name)
    state = commands.run(["docker", "container", "inspect", "--format", "{{.State.Running}}", container])
    if state.stdout.strip() == "true":
        return "its last run goes on still"
    commands.run(["docker", "rm", "--force", container])
    for _second in range(_AWAKE_SECONDS):
        if any(container.running for container in console.containers()):
            return ""
        sleep(1)
    return _RESTED


def _container(console: Console, name: str) -> str:
    # No service's: none has an underscore in its name.
    return f"sluice-job-{console.stack.name}_{name}"
