# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release would do."""

from __future__ import annotations

from ..errors import EngineError
from . import adoption, dataservices, files, images
from .drift import changed_by_hand
from .engine import Image
from .release import Outcome, next_colour
from .run import Run
from .serving import strayed


def plan(run: Run) -> Outcome:
    """What `release` would do; changes nothing."""
    actions = []
    journal = run.state.journal()
    if journal:
        actions.append(f"Bring the interrupted {journal.operation} of {journal.target.release} to an end.")
    serving = run.state.serving()
    try:
        fast = run.engine.start_interval()
        known = {name: image for name, image in images.present(run).items() if image}
    except EngineError:
        # A rehearsal on a bare server: the role that installs the engine was only rehearsed, too.
        actions.append("No engine answers yet: once the role docker_host has run, this follows.")
        fast, known = True, {}
    for service in run.stack.services.values():
        if service.build:
            where = " on the controller, and carry it" if service.built_on_controller else ""
            actions.append(f"Build the image of {service.name}{where}.")
        elif service.name not in known or service.pull == "always":
            verb = "Carry" if service.pull == "controller" else "Pull"
            actions.append(f"{verb} {service.image}.")
    stand_ins = {s.name: Image("", s.image or f"(built) {s.name}") for s in run.stack.services.values()}
    taken = {**stand_ins, **known}
    rendered = files.render_release(run, taken, fast)
    current = serving.current
    data = files.render_data(run, taken, fast)
    data_changes = dataservices.differ(run, data, taken)
    if current and current.release == rendered.id and not journal and not data_changes:
        by_hand = changed_by_hand(run, run.project(current), run.stack.running)
        if not by_hand:
            actions += strayed(run, current)
            return Outcome(bool(actions), rendered.id, current.colour, actions, current.release)
        actions += by_hand
    if data_changes and run.data_project.directory.exists():
        actions += changed_by_hand(run, run.data_project, run.stack.stateful)
    adopted, stay = adoption.plan(run, data, taken)
    changes = dataservices.changes(run, data) if data_changes else []
    actions += _steps(run, adopted, [told for told in changes if told.partition(" ")[0] not in stay])
    return Outcome(True, "", next_colour(run), actions, diff=files.diff(run, rendered))


def _steps(run: Run, adopted: list[str], data_changes: list[str]) -> list[str]:
    """What a release does between its images and its end."""
    hook, current = run.stack.pre_release, run.state.serving().current
    steps = list(adopted)
    if hook and current and run.settings.dump_before_migration:
        steps.append("Dump the databases.")
    if data_changes:
        steps.append(f"Start or change the stateful services: {', '.join(data_changes)}.")
    if hook:
        steps.append(f"Run the pre-release hook in the new image of {hook.service}: {' '.join(hook.command)}.")
    steps += [f"Run the job {s.name} once." for s in run.stack.released if s.role == "job"]
    if current:
        return [*steps, f"Start a release beside {current.release}, switch to it, keep the old one as the way back."]
    return [*steps, "Start the first release, and lead the edge to it."]
