# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release from its inputs to its record."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import EngineError, StepError
from ..stack import Colour
from ..stack.directory import Deployed, Journal, write_description
from . import (
    adoption,
    backup,
    carried,
    checks,
    dataservices,
    files,
    images,
    passwords,
    remarks,
    retention,
    volumes,
    warm,
)
from .activate import activate, resume
from .drift import changed_by_hand
from .engine import Image, Project
from .files import Rendered
from .health import all_run
from .restore import recover
from .run import Run
from .serving import point_edge


@dataclass
class Outcome:
    """What a run did, or in check mode would do."""

    changed: bool
    release: str
    colour: str
    actions: list[str] = field(default_factory=list)
    before: str = ""
    """The release that served before; empty for none."""
    diff: dict[str, str] = field(default_factory=dict)


def release(run: Run) -> Outcome:
    """Make the described stack the one that serves.

    Raises:
        StepError: A step failed; what served before serves still.
    """
    actions = [a for a in (_resumed(run),) if a]
    with run.step("look"):
        if run.elsewhere:
            raise StepError(run.elsewhere)
        carried.refuse_missing(run.stack)
        already = _serves_already(run, actions)
        if already:
            return Outcome(bool(actions), already.release, already.colour, actions, already.release)
    with run.step("preflight"):
        checks.judge(run, checks.server_gates(run))
    with run.step("images"):
        found = images.resolve(run)
        fast = run.engine.start_interval()
        rendered, data = files.render_release(run, found, fast), files.render_data(run, found, fast)
        data_changes = dataservices.differ(run, data, found)
    serving = run.state.serving()
    current = serving.current
    if current and current.release == rendered.id and not data_changes and _works(run, current, actions):
        return Outcome(bool(actions), rendered.id, current.colour, actions, current.release)
    with run.step("image_gates"):
        checks.judge(run, checks.image_gates(run, found))
    colour = next_colour(run)
    target = Deployed(rendered.id, colour)
    diff = files.diff(run, rendered)
    with run.step("write"):
        _write(run, target, rendered, found)
    journal = Journal("release", target, serving, started=time.time(), record=_record(run, target, found))

    def before_start(project: Project) -> None:
        _prepare(run, project, data, found, data_changes)

    try:
        activate(run, journal, before_start, checks.release_gates)
    finally:
        # Also what failed leaves files and images behind.
        _tidy(run)
    actions.append(f"Release {rendered.id} serves as {colour}.")
    # A release that serves has not failed because there is something that cannot be said of it.
    with contextlib.suppress(EngineError):
        run.notes += remarks.on_trust(run, run.project(target))
    run.notes += remarks.on_sharing(run.stack) if current else []
    return Outcome(True, rendered.id, colour, actions, current.release if current else "", diff)


def _resumed(run: Run) -> str:
    with run.step("resume"):
        # A backup that was killed left them held still.
        run.engine.unpause(run.data_project.name)
        said = " ".join(said for said in (dataservices.recover(run), resume(run), recover(run)) if said)
        warm.cool(run, overdue_only=True)
        return said


def _serves_already(run: Run, actions: list[str]) -> Deployed | None:
    """What serves, when there is nothing to do, as far as that can be told without a registry or a build."""
    services = run.stack.services.values()
    current = run.state.serving().current
    if not current or any(s.build or s.pull == "always" for s in services):
        return None
    found = {name: image for name, image in images.present(run).items() if image}
    if len(found) < len(services):
        return None
    fast = run.engine.start_interval()
    same = files.render_release(run, found, fast).id == current.release
    if (
        same
        and not dataservices.differ(run, files.render_data(run, found, fast), found)
        and _works(run, current, actions)
    ):
        return current
    return None


def _works(run: Run, current: Deployed, actions: list[str]) -> bool:
    """Whether the current release runs whole; an edge that points elsewhere is pointed at it again."""
    project = run.project(current)
    by_hand = changed_by_hand(run, project, run.stack.running)
    if by_hand or not all_run(run, project, run.stack.running):
        actions += [said for said in by_hand if said not in actions]
        return False
    if run.edge.serving() != current.colour:
        point_edge(run, current)
        actions.append(f"The edge was pointed at {current.colour} again.")
    return True


def _tidy(run: Run) -> None:
    """Old releases go; when they do not, the new one serves all the same."""
    if run.state.journal():
        return
    try:
        with run.step("tidy"):
            retention.tidy(run)
    except StepError as error:
        run.notes.append(f"Old releases could not be removed: {error.cause}.")


def next_colour(run: Run) -> Colour:
    """The colour as which a release would start."""
    current = run.state.serving().current
    return "green" if current and current.colour == "blue" and run.stack.strategy == "blue_green" else "blue"


def _prepare(run: Run, project: Project, data: Rendered, found: Mapping[str, Image], data_changes: bool) -> None:
    """What must be there before the new containers: networks, volumes, data services, migrated schema."""
    hook = run.stack.pre_release
    with run.step("stateful"):
        run.engine.ensure_network(run.stack.network)
        if run.settings.edge_network:
            run.engine.ensure_network(run.settings.edge_network)
        adoption.take_over(run, data, found)
        for service in run.stack.services.values():
            volumes.ensure(run, service)
    if hook and run.settings.dump_before_migration:
        with run.step("dump"):
            backup.dump_databases(run, f"before-{project.directory.name}")
    if data_changes:
        with run.step("stateful"):
            dataservices.start(run, data, found)
            adoption.lend(run)
    with run.step("password"):
        passwords.apply(run)
    if hook:
        with run.step("pre_release"):
            status, output = run.engine.run_once(project, hook.service, hook.command, hook.timeout)
            if status:
                raise StepError(f"the pre-release hook ended with status {status}", output)


def _write(run: Run, target: Deployed, rendered: Rendered, found: Mapping[str, Image]) -> None:
    directory = run.state.release_directory(target.release)
    services = run.stack.released
    tags = {s.name: files.keep_tag(run, s.name, found[s.name]) for s in services}
    for service in services:
        run.engine.keep(found[service.name], tags[service.name])
    files.write_project(run, directory, rendered, services, found)
    write_description(
        directory,
        {
            "description": run.description,
            "images": {s.name: found[s.name].id for s in services},
            "keep": tags,
        },
    )
    if run.state.build_log.exists():
        shutil.copy2(run.state.build_log, run.state.build_log_of(target.release))


def _record(run: Run, target: Deployed, found: Mapping[str, Image]) -> dict[str, Any]:
    return {
        "run": f"{time.time():.6f}",
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "operation": "release",
        "release": target.release,
        "colour": target.colour,
        "by": run.settings.by,
        "commit": run.settings.commit,
        "images": {n: {"reference": i.reference, "id": i.id, "digest": i.digest} for n, i in sorted(found.items())},
    }
