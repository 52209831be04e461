# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From rendered files to a serving release, and back when anything fails.

The journal says on disk how far it has come, and so what whoever finds it after a crash does:

start   the target is being started: undo.
drain   the edge sends requests to the target: go on while the target runs, else undo.
finish  the target is the release: go on while the target runs, else undo.
undo    the way back was begun: go on with it.

Each state is written before its first effect, and each may be begun anew at any point. Nothing before `finish`
stops what served; nothing after it undoes the target because of what could not be written or stopped.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..errors import EdgeError, EngineError, StepError, sentence
from ..notices.tell import tell
from ..results import GateResult
from ..stack.directory import Deployed, Journal, Serving
from . import adoption, files, passwords, warm
from .checks import judge
from .engine import Project
from .health import all_run, restarts, watch
from .run import Run
from .serving import point_edge, restore, stack_of, start_services
from .start import hand_over, start

Gates = Callable[[Run, Project], list[GateResult]]
_ENGINE_RESTART = 60.0
# From here on, an edge that does not say whom it serves may serve the target.
_MAY_HAVE_SWITCHED = ("switch", "hand_over", "drain", "post_release", "record")


def activate(
    run: Run, journal: Journal, before_start: Callable[[Project], None], gates: Gates, is_warm: bool = False
) -> None:
    """Start the journal's target beside what serves, switch to it, and stop what served.

    Args:
        before_start: Runs once the journal is written and before any service starts: dump, migrations.
        gates: Judges the running release before the switch; a fail undoes it.
        is_warm: The target's web services run already; its workers start when these serve.

    Raises:
        StepError: A step failed; what served before serves still, or again.
    """
    project = run.project(journal.target)
    try:
        with run.named("start"):
            with run.step("journal"):
                # What a run that was cut off after its end still had noted concerns no operation any more.
                passwords.settle(run)
                run.state.write_journal(journal)
                warm.end(run)
                files.write_colour(project)
                what = f"The {journal.operation} of {journal.target.release} begins"
                tell(f"{journal.operation}.started", what, stack=run.stack.name)
            before_start(project)
            counts = restarts(run, project) if is_warm else start(run, journal, project)
            with run.step("gates"):
                results = gates(run, project)
                # A crash is a better word for it than what the gates saw of it.
                watch(run, project, run.stack.warm if is_warm else run.stack.running, 0, counts)
                judge(run, results)
            with run.step("switch"):
                point_edge(run, journal.target)
                journal = replace(journal, phase="drain")
                run.state.write_journal(journal)
            _after_switch(run, journal, counts)
    except StepError as error:
        undo(run, journal, error)
        raise
    try:
        with run.named("record"):
            _finish(run, journal)
    except StepError as error:
        run.notes.append(
            f"Release {journal.target.release} serves, and what served before could not be put to rest"
            f" ({error.cause}); the next run does."
        )


def _after_switch(run: Run, journal: Journal, counts: Mapping[str, int] | None = None) -> None:
    """What follows the switch, up to the moment from which the target is the release.

    Args:
        counts: Restart counts of the target's containers at their start, where they are known.
    """
    project = run.project(journal.target)
    with run.step("hand_over"):
        # After the switch to a release that was kept warm, these rest yet.
        found = {c.service for c in run.engine.containers(project.name) if c.running}
        resting = [service for service in run.stack.running if service.name not in found]
        if resting:
            hand_over(run, journal, resting)
            counts = {**start_services(run, project, resting), **(counts or {})}
    with run.step("drain"):
        # What served beside the target ends its requests; a crash of the target just after its start shows here too.
        watch(run, project, run.stack.running, run.stack.drain if journal.beside else 0, counts)
    hook = run.stack.post_release
    if hook and journal.operation == "release":
        with run.step("post_release"):
            status, output = run.engine.run_once(project, hook.service, hook.command, hook.timeout)
            if status:
                raise StepError(f"the post-release hook ended with status {status}", output)
    with run.step("record"):
        run.state.write_journal(replace(journal, phase="finish"))


def _finish(run: Run, journal: Journal) -> None:
    """The target is on record as what serves, and what served before rests, as the way back."""
    with run.step("record"):
        run.state.set_serving(Serving(journal.target, _way_back(journal)))
        adoption.settle(run)
    with run.step("stop_old"):
        if journal.beside:
            warm.rest(run, journal.beside)
        _stop_foreign(run, run.project(journal.target))
    with run.step("record"):
        _record(run, journal, {"outcome": "succeeded"})
        run.state.clear_journal()
        passwords.settle(run)


def undo(run: Run, journal: Journal, error: StepError | None = None) -> None:
    """What served before the journal's operation serves again; nothing of the target is left.

    Raises:
        StepError: The engine or the edge does not answer; the journal stays, and the next run tries again.
    """
    outcome = {"outcome": "failed" if error else "interrupted"}
    if error:
        outcome |= {"failed_step": error.step, "cause": run.redact(error.cause)}
    # A way back that was begun before keeps its reason.
    outcome = {**outcome, **{k: v for k, v in journal.record.items() if k in ("outcome", "failed_step", "cause")}}
    journal = replace(journal, phase="undo", record={**journal.record, **outcome})
    # A full disk may be what failed; without the note, the next run tells by what runs where to go.
    with contextlib.suppress(OSError, EngineError):
        run.state.write_journal(journal)
    try:
        with run.step("undo"):
            run.engine.wait(_ENGINE_RESTART)
            passwords.put_back(run)
            _way_back_serves(run, journal, error)
            if run.state.serving() != journal.before:
                run.state.set_serving(journal.before)
            _record(run, journal, outcome)
            run.state.clear_journal()
    except StepError as trouble:
        if not error:
            raise StepError(f"the unfinished {journal.operation} could not be undone: {trouble}")
        run.notes.append(sentence(f"The way back is not complete, and the next run completes it: {trouble}"))


def _way_back_serves(run: Run, journal: Journal, error: StepError | None) -> None:
    old, target = journal.before.current, run.project(journal.target).name
    at = _edge_at(run, journal, error)
    if not old:
        if at:
            point_edge(run, None)
        run.engine.remove(target)
        adoption.put_back(run)
        return
    if run.stack.strategy == "recreate" or not journal.beside:
        # The names are taken by the target's containers.
        run.engine.remove(target)
    else:
        run.engine.stop(target, [s.name for s in run.stack.running if s.stops_first])
    restore(run, old)
    if old.release == journal.target.release:
        # A restart: both colours have one directory.
        files.write_colour(run.project(old))
    if at != old.colour:
        point_edge(run, old)
    if journal.beside:
        run.engine.remove(target)


def _edge_at(run: Run, journal: Journal, error: StepError | None) -> str | None:
    """Whom the edge sends requests to; one that does not answer has not switched if it was not asked to yet."""
    try:
        return run.edge.serving()
    except EdgeError:
        if error is None or error.step in _MAY_HAVE_SWITCHED:
            raise
        return journal.before.current.colour if journal.before.current else None


def _way_back(journal: Journal) -> Deployed | None:
    current, previous = journal.before.current, journal.before.previous
    if current and current.release != journal.target.release:
        return current
    # A release that was restarted took the colour of the one before it, whose turn is then the other's.
    return replace(previous, colour=current.colour) if current and previous else previous


def _record(run: Run, journal: Journal, outcome: dict[str, str]) -> None:
    """One line for each run and outcome, also when a crash came between the line and the journal's end."""
    records = run.state.records()
    this = (journal.record.get("run"), outcome["outcome"])
    if not records or (records[-1].get("run"), records[-1].get("outcome")) != this:
        gates = [{"id": g["id"], "status": g["status"]} for g in run.gates]
        run.state.append_record({**journal.record, **outcome, "gates": gates, "seconds": run.seconds})


def _stop_foreign(run: Run, project: Project) -> None:
    """Containers of services that the stack no longer has, left by a release of the same colour."""
    known = {s.name for s in run.stack.released}
    foreign = [c.service for c in run.engine.containers(project.name) if c.service not in known]
    if foreign:
        run.engine.stop(project.name, foreign)


def resume(run: Run) -> str:
    """Bring what an interrupted run left to an end; says what was done, empty when there was nothing."""
    journal = run.state.journal()
    if not journal:
        return ""
    target = f"{journal.operation} of {journal.target.release}"
    as_then = replace(run, stack=stack_of(run, journal.target))
    # In the drain, a release that was kept warm may have no workers yet.
    needed = {"drain": as_then.stack.warm or as_then.stack.running, "finish": as_then.stack.running}
    going_on = journal.phase in needed and all_run(run, run.project(journal.target), needed[journal.phase])
    if not going_on:
        undo(as_then, journal)
        return f"An interrupted {target} was undone."
    # A way back that a full disk kept from being noted may have led it elsewhere.
    if run.edge.serving() != journal.target.colour:
        point_edge(as_then, journal.target)
    if journal.phase == "drain":
        try:
            _after_switch(as_then, journal)
        except StepError as error:
            undo(as_then, journal, error)
            return f"An interrupted {target} was undone: {error.cause}"
    _finish(as_then, journal)
    return f"An interrupted {target} was finished."
