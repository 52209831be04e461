# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules around releases share: options in, a run under the lock, one clear failure out."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ..errors import EdgeError, EngineError, StepError, UserError, sentence
from ..files import write_whole
from ..notices.tell import tell
from ..secretvalues.values import check_secrets
from ..stack.directory import StackState, read_description
from ..stack.fields import Fields
from ..stack.parse import parse_stack
from . import progress
from .checks import GATES
from .edge import CommandEdge, NoEdge
from .engines import engine_of
from .foreign import ForeignProjects
from .held import Held, held
from .operations import OPERATIONS
from .run import LEVELS, Run, Settings
from .serving import stack_of

# What works on the data itself; a release goes on from what was left behind, and then tells.
_WITH_DATA = (*OPERATIONS, "restore", "start", "stop")
_NEXT = "mend the cause, then run the same play again."

COMMON_OPTIONS: dict[str, dict[str, Any]] = {
    "stack": {"type": "dict", "required": True},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "root": {"type": "path", "default": "/var/lib/sluice/stacks"},
    "edge_switch": {"type": "list", "elements": "str", "default": []},
    "lock_wait": {"type": "float", "default": 600.0},
    "by": {"type": "str", "default": ""},
}


@contextlib.contextmanager
def run_for(params: dict[str, Any], what: str, settings: Settings, check: bool) -> Iterator[Run]:
    """A run on this server; under the stack's lock, except for a plan.

    Raises:
        UserError: The description, a secret or a setting is wrong, or the lock is held.
    """
    stack = parse_stack(params["stack"])
    secrets = check_secrets(stack.secret_names, params["secrets"])
    if sys.platform != "linux" or os.geteuid() != 0:
        raise UserError("This needs root on the server: set become: true.")
    state = StackState(params["root"], stack.name)

    def make(held: Held) -> Run:
        engine, inherit, current = held.engine, held.inherit, state.serving().current
        argv = params["edge_switch"]
        edge = CommandEdge(argv, stack.name) if argv else NoEdge(current.colour if current else None)
        foreign = ForeignProjects(inherit)
        run = Run(stack, params["stack"], secrets, settings, state, engine, edge, foreign=foreign, inherit=inherit)
        run.elsewhere = held.elsewhere
        return run if check else replace(run, note_step=progress.note_in(stack.name))

    if check:
        yield make(Held(engine_of(stack)))
        return
    state.create()
    with held(stack, state, what, params["lock_wait"], "compose_stack_lock_wait") as found:
        if found.elsewhere and what in _WITH_DATA:
            raise UserError(sentence(found.elsewhere))
        try:
            yield make(found)
        finally:
            progress.forget(stack.name)


def gate_levels(levels: dict[str, Any] | None) -> dict[str, str]:
    """The levels of the gates, checked.

    Raises:
        UserError: An unknown gate or level.
    """
    fields = Fields(levels or {}, "compose_stack_gates", GATES)
    return {gate: fields.choice(gate, "fail", LEVELS) for gate in GATES}


def failure(run: Run, error: StepError, operation: str) -> str:
    """Step, cause, what serves, the last log lines, and what to do next."""
    # Large, and of use to failures alone.
    from ..secretscan import without_secrets

    lines = [
        sentence(f"The {operation} failed at step {error.step}: {run.redact(error.cause)}"),
        run.redact(_served(run)),
    ]
    lines += [run.redact(note) for note in run.notes]
    # An app's own words may hold what nobody told us: a password that it made for itself, a token of another's.
    log = without_secrets(run.redact(error.log)).strip()
    if log and run.state.directory.is_dir():
        lines += ["The last lines:", *(f"  {line}" for line in log.splitlines()[-15:])]
        # A disk that is full may be what failed: then the last lines are all there is.
        with contextlib.suppress(OSError):
            write_whole(run.state.failure_log, log + "\n")
            lines.append(f"More: less {run.state.failure_log}")
    lines.append(f"Next: {run.redact(error.advice or _NEXT)}")
    return "\n".join(lines)


def _served(run: Run) -> str:
    """Whom the edge sends requests to, and whether that runs: what is on record may have been overtaken."""
    try:
        current, colour = run.state.serving().current, run.edge.serving()
        if not colour:
            if not run.state.recorded and read_description(run.state.data):
                return (
                    "No release has served yet. To start over with empty data, run playbooks/remove.yml with"
                    f" compose_stack_remove_data={run.stack.name}."
                )
            page = f", and release {current.release}, which is on record, gets no requests" if current else ""
            return f"No release serves{page}."
        if not current or current.colour != colour:
            on_record = f"release {current.release} as {current.colour}" if current else "no release"
            return f"The edge sends requests to {colour}, and on record is {on_record}."
        found = [*run.engine.containers(run.data_project.name), *run.engine.containers(run.project(current).name)]
        running = {container.service for container in found if container.running}
        services = stack_of(run, current).services.values()
        down = [s.name for s in services if s.role != "job" and s.name not in running]
    except (EdgeError, EngineError, UserError) as trouble:
        return sentence(f"What serves is not known: {trouble}")
    if down:
        return f"The edge sends requests to release {current.release}, of which {', '.join(down)} does not run."
    return f"Release {current.release} serves as before."


def conduct(
    module: Any, operation: str, settings: Callable[[], Settings], action: Callable[[Run], dict[str, Any]]
) -> None:
    """Run a module's action; every expected trouble becomes one message, without a traceback."""
    try:
        with run_for(module.params, operation, settings(), module.check_mode) as run:
            try:
                result = action(run)
            except StepError as error:
                judged = {"gates": run.gates} if run.gates else {}
                message = failure(run, error, operation)
                # What is done about backups tells of itself, by hand and by the clock.
                if operation not in OPERATIONS and not module.check_mode:
                    tell(f"{operation}.failed", message.partition("\n")[0], message, run.stack.name)
                module.fail_json(msg=message, step=error.step, seconds=run.seconds, **judged)
            if operation not in OPERATIONS and result["changed"] and not module.check_mode:
                text = "\n".join([*result.get("actions", []), *run.notes])
                of = f" of {result['release']}" if result.get("release") else ""
                tell(f"{operation}.done", f"The {operation}{of} is done", text, run.stack.name)
            module.exit_json(seconds=run.seconds, notes=run.notes, **result)
    except UserError as error:
        module.fail_json(msg=str(error))
    except (EngineError, EdgeError, OSError) as error:
        module.fail_json(msg=f"{sentence(f'The {operation} could not begin: {error}')}\nNext: {_NEXT}")
