# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Back to a release that served before, with nothing but what the server has."""

from __future__ import annotations

import time
from dataclasses import replace

from ..errors import StepError
from ..stack import Colour
from ..stack.directory import Deployed, Journal, Serving, read_description
from . import checks, dataservices, passwords, warm
from .activate import activate, resume
from .engine import Project
from .release import Outcome
from .restore import recover
from .run import Run
from .serving import stack_of


def rollback(run: Run, to: str = "", check: bool = False) -> Outcome:
    """Switch back.

    Args:
        to: A release's id, or its first characters; empty for the one before.
        check: Only say what would be done.

    Raises:
        StepError: There is no such release, or its images are gone; what serves serves on.
    """
    actions = []
    if not check:
        with run.step("resume"):
            actions += [said for said in (dataservices.recover(run), resume(run), recover(run)) if said]
    serving = run.state.serving()
    with run.step("choose"):
        release = _chosen(run, serving, to)
        if serving.current and release == serving.current.release:
            return Outcome(bool(actions), release, serving.current.colour, actions, release)
        target = Deployed(release, _colour(run, serving, release))
        _images_present(run, target)
    actions.append(f"Switch back to release {release}.")
    before = serving.current.release if serving.current else ""
    if check:
        return Outcome(True, release, target.colour, actions, before)
    then = replace(run, stack=stack_of(run, target))
    record = {
        "run": f"{time.time():.6f}",
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "operation": "rollback",
        "release": release,
        "colour": target.colour,
        "by": run.settings.by,
    }
    journal = Journal("rollback", target, serving, started=time.time(), record=record)

    def before_start(project: Project) -> None:
        if journal.beside and not is_warm:
            # What was kept warm, and is so no more, knows the secrets that it was started with.
            with run.step("cool"):
                run.engine.stop(project.name)
        with run.step("password"):
            passwords.apply(run)
            passwords.renew_files(run, project, then.stack)

    is_warm = warm.holds(then, target) and not passwords.stale(run, then.project(target), then.stack)
    # What ran all the time has passed the other gates, and its log since then is no reason to stay.
    activate(then, journal, before_start, checks.smoke_gates if is_warm else checks.release_gates, is_warm)
    return Outcome(True, release, target.colour, actions, before)


def _chosen(run: Run, serving: Serving, to: str) -> str:
    there = sorted(d.name for d in run.state.releases.glob("*") if d.is_dir())
    if not to:
        if not serving.previous:
            raise StepError("there is no release before the one that serves", advice=_list(there))
        return serving.previous.release
    matches = [name for name in there if name.startswith(to)]
    if len(matches) != 1:
        cause = f"release {to!r} is not on the server" if not matches else f"{to!r} is the start of several releases"
        raise StepError(cause, advice=_list(there))
    return matches[0]


def _colour(run: Run, serving: Serving, release: str) -> Colour:
    if serving.previous and serving.previous.release == release:
        return serving.previous.colour
    blue = serving.current is None or serving.current.colour == "green" or run.stack.strategy == "recreate"
    return "blue" if blue else "green"


def _images_present(run: Run, target: Deployed) -> None:
    content = read_description(run.state.release_directory(target.release))
    if content is None:
        raise StepError(f"the files of release {target.release} are gone", advice="Release that version anew.")
    gone = [name for name, image in content["images"].items() if not run.engine.image(image)]
    if gone:
        raise StepError(
            f"the images of release {target.release} are gone from the server ({', '.join(sorted(gone))})",
            advice="Release that version anew: set its images' tags in stack_services and run the play.",
        )


def _list(there: list[str]) -> str:
    return f"The releases on the server are: {', '.join(there) or 'none'}."
