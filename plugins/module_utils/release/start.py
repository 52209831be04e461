# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release's services come up, in the order in which they need each other."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from ..errors import EdgeError
from ..stack import Service
from ..stack.directory import Journal
from ..stack.order import levels, needs
from . import adoption
from .drift import up
from .engine import Project
from .health import restarts, wait_healthy
from .jobs import run_job
from .run import Run
from .serving import point_edge


def start(run: Run, journal: Journal, project: Project) -> dict[str, int]:
    """Level by level, in each its jobs first; the restart counts of their containers as they were before.

    Raises:
        StepError: A job failed, or a service does not work.
    """
    old = journal.before.current
    if old and (run.stack.strategy == "recreate" or not journal.beside):
        with run.step("stop_old"):
            with contextlib.suppress(EdgeError):
                point_edge(run, None)
            run.engine.stop(run.project(old).name)
    counts = restarts(run, project)
    # What comes back has worked before: its jobs are done, and workers need not wait for the web services.
    back = journal.operation == "rollback"
    waiting: list[Service] = []
    for level in levels(run.stack, own_word=back):
        services = [s for s in level if s.role != "job"]
        with run.step("start"):
            wanted = {name for s in level for name, word in needs(run.stack, s, back).items() if word == "healthy"}
            wait_healthy(run, project, [s for s in waiting if s.name in wanted], counts)
        if not back:
            for job in (s for s in level if s.role == "job"):
                run_job(run, project, job, journal)
        with run.step(_step(level)):
            hand_over(run, journal, services)
            if services:
                up(run, project, [s.name for s in services])
        waiting += services
    workers = [s for s in waiting if s.role == "worker"]
    for services in ([s for s in waiting if s not in workers], workers):
        with run.step(_step(services)):
            wait_healthy(run, project, services, counts)
    return counts


def hand_over(run: Run, journal: Journal, services: Sequence[Service]) -> None:
    """Services of which there may be one only stop before their successors start."""
    first = [s for s in services if s.stops_first]
    if first and journal.beside:
        run.engine.stop(run.project(journal.beside).name, [s.name for s in first])
    elif first:
        adoption.hand_over(run, first)


def _step(services: Sequence[Service]) -> str:
    return "workers" if services and all(s.role == "worker" for s in services) else "start"
