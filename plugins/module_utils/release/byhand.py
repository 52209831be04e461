# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person asks of a release that serves: restart it, put it to rest, wake it again."""

from __future__ import annotations

import time
from dataclasses import replace

from ..errors import StepError, nearest
from ..stack import COLOURS, Service
from ..stack.directory import Deployed, Journal
from . import checks, dataservices
from .activate import activate, resume
from .engine import Project
from .release import Outcome
from .restore import recover
from .run import Run
from .serving import point_edge, restore, stack_of, start_services


def restart(run: Run, service: str = "", check: bool = False) -> Outcome:
    """New containers for the release that serves.

    Args:
        service: The one service to restart; all that a release replaces by default. Where requests could be lost, the
            same release starts as the other colour and the edge switches to it.
        check: Only say what would be done.

    Raises:
        StepError: Nothing serves, there is no such service, or a step failed; what served serves still.
    """
    current, then, actions = _begin(run, check)
    chosen = _chosen(then, service)
    in_place = then.stack.strategy == "recreate" or (chosen is not None and chosen not in then.stack.web)
    what = f"service {service}" if service and in_place else f"release {current.release}"
    actions.append(f"Restart {what}{'' if in_place else ' as the other colour'}.")
    if check:
        return Outcome(True, current.release, current.colour, actions, current.release)
    if in_place:
        with run.step("restart"):
            _restart_in_place(then, current, [chosen] if chosen else list(then.stack.released))
        _record(run, current, "restart", service)
        return Outcome(True, current.release, current.colour, actions, current.release)
    target = Deployed(current.release, next(colour for colour in COLOURS if colour != current.colour))
    journal = Journal(
        "restart",
        target,
        run.state.serving(),
        started=time.time(),
        record=_entry(run, target, "restart", service),
    )
    activate(then, journal, lambda project: None, checks.release_gates)
    return Outcome(True, target.release, target.colour, actions, current.release)


def stop(run: Run, check: bool = False, data: bool = True) -> Outcome:
    """The edge answers with its maintenance page, and no service of the stack runs.

    Args:
        check: Only say what would be done.
        data: Whether data services stop as well. Where they run on, nothing of the stack writes to them any more.

    Raises:
        StepError: Nothing serves, or a step failed; running it again goes on.
    """
    current, then, actions = _begin(run, check)
    projects = [run.project(current).name, *([run.data_project.name] if data else [])]
    running = [c for project in projects for c in run.engine.containers(project) if c.running]
    if not running:
        return Outcome(bool(actions), current.release, current.colour, actions, current.release)
    actions.append(f"Stop release {current.release}; the edge answers with its maintenance page.")
    if not check:
        with run.step("switch"):
            point_edge(then, None)
        with run.step("stop"):
            for project in projects:
                run.engine.stop(project)
        _record(run, current, "stop")
    return Outcome(True, current.release, current.colour, actions, current.release)


def start(run: Run, check: bool = False) -> Outcome:
    """The release that was stopped serves again, its data services first.

    Raises:
        StepError: Nothing is on record, or a service does not come up.
    """
    current, then, actions = _begin(run, check)
    found = [*run.engine.containers(run.data_project.name), *run.engine.containers(run.project(current).name)]
    running = {c.service for c in found if c.running}
    resting = [s for s in then.stack.services.values() if s.name not in running]
    led = run.edge.serving() == current.colour
    if led and not resting:
        return Outcome(bool(actions), current.release, current.colour, actions, current.release)
    actions.append(f"Start release {current.release} again.")
    if not check:
        with run.step("start"):
            start_services(then, then.data_project, [s for s in resting if s.stateful])
            restore(then, current)
        with run.step("switch"):
            point_edge(then, current)
        _record(run, current, "start")
    return Outcome(True, current.release, current.colour, actions, current.release)


def _begin(run: Run, check: bool) -> tuple[Deployed, Run, list[str]]:
    """What serves, a run of its stack as it was released, and what was left to finish or undo first."""
    actions: list[str] = []
    if not check:
        with run.step("resume"):
            actions += [said for said in (dataservices.recover(run), resume(run), recover(run)) if said]
    with run.step("choose"):
        current = run.state.serving().current
        if not current:
            raise StepError("no release is on record on this server", advice="release one: playbooks/site.yml")
        return current, replace(run, stack=stack_of(run, current)), actions


def _chosen(run: Run, name: str) -> Service | None:
    if not name:
        return None
    with run.step("choose"):
        if name not in run.stack.services:
            hint = nearest(name, run.stack.services) or f"; the services are {', '.join(run.stack.services)}"
            raise StepError(f"service: the release that serves has no service {name!r}{hint}")
        return run.stack.services[name]


def _restart_in_place(run: Run, current: Deployed, services: list[Service]) -> None:
    project: Project = run.data_project if services[0].stateful else run.project(current)
    run.engine.stop(project.name, [s.name for s in services])
    start_services(run, project, services)


def _entry(run: Run, deployed: Deployed, operation: str, service: str = "") -> dict[str, str]:
    entry = {
        "run": f"{time.time():.6f}",
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "operation": operation,
        "release": deployed.release,
        "colour": deployed.colour,
        "by": run.settings.by,
    }
    return {**entry, **({"service": service} if service else {})}


def _record(run: Run, deployed: Deployed, operation: str, service: str = "") -> None:
    with run.step("record"):
        record = _entry(run, deployed, operation, service)
        run.state.append_record({**record, "outcome": "succeeded", "seconds": run.seconds})
