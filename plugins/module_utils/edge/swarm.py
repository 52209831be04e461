# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A request brought to every edge of a swarm: as a job of the swarm's own, which each node runs once.

The job drops the request into the node's inbox (`inbox.py`), waits for the answer, prints it and ends with its
status. A job that stays is run later on by nodes that come back or join, too.
"""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UserError
from .engine import Run, run
from .job import LABEL, Job, job_argv, job_name, labels, number_of
from .model import Edge

# What a node that comes back has to know: whom to serve, and with which certificate.
_STAYING = ("to", "bring")
_POLL_SECONDS = 0.1
_NODES_SECONDS = 2.0
# A log may come a little after the end of its task.
_LOG_PAUSES = (0.1, 0.3, 1.0)
# As long a manager may not know, after another took the lead, whether a node is there.
_UNKNOWN_SECONDS = 12.0
# What asks and is left behind by a killed process goes with the next one of its kind.
_STALE_NANOSECONDS = 120 * 10**9


@dataclass
class Outcome:
    """What came of a job, by the nodes' host names."""

    answers: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    """Nodes that are down, and serve nobody."""


class Swarm:
    """The swarm, as a manager sees it, and the edges in it."""

    def __init__(self, edge: Edge, root: Path, runner: Run = run) -> None:
        self._edge, self._root, self._run = edge, root, runner

    def _docker(self, *argv: str) -> str:
        done = self._run(["docker", *argv], timeout=20)
        if done.returncode:
            rows = done.stderr.strip().splitlines()
            raise UserError(f"docker {argv[0]} {argv[1]} failed: {rows[-1] if rows else 'no message'}")
        return done.stdout

    def edges(self) -> tuple[dict[str, str], list[str]]:
        """The nodes with an edge that can be asked, id → host name; and the names of those that are down.

        Raises:
            UserError: One can be neither asked nor left out; this host is no manager; there is none.
        """
        deadline = time.monotonic() + _UNKNOWN_SECONDS
        while True:
            ready, down, doubtful = self._look()
            if not doubtful or time.monotonic() > deadline:
                break
            time.sleep(1)
        if doubtful:
            raise UserError(f"the edge of {', '.join(doubtful)} cannot be asked; see docker node ls.")
        if not ready:
            raise UserError(f"no node of the swarm that is up bears the label {LABEL}=true.")
        return ready, down

    def _look(self) -> tuple[dict[str, str], list[str], list[str]]:
        ready, down, doubtful = {}, [], []
        listed = self._docker("node", "ls", f"--filter=node.label={LABEL}=true", "--format={{json .}}")
        for row in map(json.loads, listed.splitlines()):
            name, status, availability = row["Hostname"], row["Status"].lower(), row["Availability"].lower()
            if status == "down":
                down.append(name)
            elif status == "ready" and availability == "active":
                ready[row["ID"]] = name
            else:
                # Its nginx serves on, but the swarm starts nothing there.
                doubtful.append(f"{name} ({status}, {availability})")
        return ready, sorted(down), sorted(doubtful)

    def ask(self, job: Job, seconds: float, nodes: dict[str, str], down: list[str]) -> Outcome:
        """Have every edge answer; what each said, or why it did not.

        Args:
            seconds: How long the slowest of them may take.
            nodes: Whom, as `edges` tells it.
            down: Who is left out already.

        Raises:
            UserError: The swarm does not take the job.
        """
        outcome, waiting = Outcome(left_out=list(down)), dict(nodes)
        name = self._create(job)
        deadline, look_at = time.monotonic() + seconds, time.monotonic() + _NODES_SECONDS
        ended: dict[str, bool] = {}
        while waiting and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            for node, (done, why) in self._tasks(name).items():
                if node not in waiting:
                    continue
                ended[node] = done
                if not done:
                    outcome.failures[waiting[node]] = why
                if done:
                    outcome.failures.pop(waiting[node], None)
                if done or not job.patient:
                    waiting.pop(node)
            if waiting and time.monotonic() > look_at:
                look_at = time.monotonic() + _NODES_SECONDS
                _ready, gone, _doubtful = self._look()
                outcome.left_out = sorted({*outcome.left_out, *(h for h in waiting.values() if h in gone)})
                waiting = {node: host for node, host in waiting.items() if host not in gone}
        for host in waiting.values():
            outcome.failures.setdefault(host, f"no answer within {seconds:g} s")
        # What a job that stays answers is its end alone, unless it failed.
        if outcome.failures or not job.stays:
            told = self._words(name, ended)
            for node, words in told.items():
                if ended.get(node):
                    outcome.answers[nodes[node]] = words
                elif nodes.get(node) in outcome.failures:
                    outcome.failures[nodes[node]] = words
            lost = [nodes[node] for node, done in ended.items() if done and node not in told and not job.stays]
            outcome.failures.update(dict.fromkeys(lost, "its answer was lost; run again"))
        return outcome

    def _create(self, job: Job) -> str:
        name = job_name(self._edge, job.verb, job.number)
        if job.secret:
            argv = ["docker", "secret", "create", *(f"--label={label}" for label in labels(job)), name, "-"]
            done = self._run(argv, timeout=20, told=job.request())
            if done.returncode:
                raise UserError(f"docker secret create failed: {done.stderr.strip()}")
        self._docker(*job_argv(job, self._edge, self._root, self.image))
        return name

    @functools.cached_property
    def image(self) -> str:
        """The edge's, as nodes that have it ask no registry for it."""
        told = self._docker("image", "inspect", "--format={{json .}}", self._edge.image)
        image = json.loads(told)
        return str((image.get("RepoDigests") or [image["Id"]])[0])

    def _tasks(self, name: str) -> dict[str, tuple[bool, str]]:
        """Node → whether its task is done, and why not; those that have not ended are left out."""
        found: dict[str, tuple[bool, str]] = {}
        for row in self._rows(name):
            state, node = row["CurrentState"].split()[0], row["Name"].rpartition(".")[2]
            if state == "Complete":
                found[node] = (True, "")
            elif state in ("Failed", "Rejected", "Orphaned", "Shutdown", "Remove"):
                found.setdefault(node, (False, row["Error"] or state.lower()))
        return found

    def _rows(self, name: str) -> list[dict[str, str]]:
        listed = self._docker("service", "ps", "--no-trunc", "--format={{json .}}", name)
        return [json.loads(row) for row in listed.splitlines()]

    def _words(self, name: str, nodes: Iterable[str]) -> dict[str, str]:
        """Node → the last that its task printed; nothing of a node whose log cannot be had."""
        told: dict[str, str] = {}
        for pause in (*_LOG_PAUSES, None):
            with contextlib.suppress(UserError):
                rows = self._run(["docker", "service", "logs", "--raw", name], timeout=5).stdout.splitlines()
                told = {node: words for node, _, words in (row.partition(" ") for row in rows) if words}
            if pause is None or set(nodes) <= told.keys():
                break
            time.sleep(pause)
        return told

    def jobs(self, verb: str, stack: str, digest: str = "") -> dict[str, int]:
        """The jobs of one kind that are in the swarm: name → number."""
        filters = [f"--filter=label={label}" for label in labels(Job(verb, stack, digest=digest))]
        names = self._docker("service", "ls", *filters, "--format={{.Name}}").split()
        return {name: number_of(name) for name in names}

    def reached(self, verb: str, stack: str, digest: str = "") -> bool:
        """Whether a job that stays is there for every edge that is up."""
        ready, _down, _doubtful = self._look()
        return any(
            ready.keys() <= {row["Name"].rpartition(".")[2] for row in self._rows(name)}
            for name in self.jobs(verb, stack, digest)
        )

    def remind(self) -> None:
        """Have the jobs that stay run by edges that came up after them; on a manager.

        The swarm looks for nodes that a job has not been run by when the job changes, and not when a node comes back.
        """
        if self._docker("info", "--format={{.Swarm.ControlAvailable}}").strip() != "true":
            return
        ready, _down, _doubtful = self._look()
        for verb in _STAYING:
            filters = f"--filter=label=deploy.sluice.edge={verb}"
            for name in self._docker("service", "ls", filters, "--format={{.Name}}").split():
                if not ready.keys() <= {row["Name"].rpartition(".")[2] for row in self._rows(name)}:
                    now = f"--label-add=deploy.sluice.reminded={time.time_ns()}"
                    self._docker("service", "update", "--detach", "--quiet", now, name)

    def next_number(self, verb: str, stack: str) -> int:
        """Higher than that of any job there is, whatever the clock of the host that made it."""
        return max([time.time_ns(), *(number + 1 for number in self.jobs(verb, stack).values())])

    def tidy(self, verb: str, stack: str, kept: Iterable[int] = ()) -> None:
        """Remove all jobs of one kind but these, and their secrets."""
        names = [name for name, number in self.jobs(verb, stack).items() if number not in set(kept)]
        if names:
            self._docker("service", "rm", *names)
        filters = [f"--filter=label={label}" for label in labels(Job(verb, stack))]
        listed = self._docker("secret", "ls", *filters, "--format={{.Name}}").split()
        # One that a task still lets go of goes with the next.
        for name in listed:
            if number_of(name) not in set(kept):
                self._run(["docker", "secret", "rm", name], timeout=20)

    def ask_once(self, verb: str, stack: str, seconds: float) -> Outcome:
        """Have every edge answer a question, which leaves nothing behind."""
        nodes, down = self.edges()
        number = time.time_ns()
        try:
            return self.ask(Job(verb, stack, number), seconds, nodes, down)
        finally:
            others = [n for n in self.jobs(verb, stack).values() if n != number]
            self.tidy(verb, stack, [n for n in others if abs(n - number) < _STALE_NANOSECONDS])
