# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts a deployment and follows it to its end: it has no id, and a restart of the server forgets it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import DeploymentFailedError, DokployError
from .containers import HealthWatch, Verdict, containers_query
from .explain import last_reason

Row = Mapping[str, Any]

# A queued job shows neither as a row nor, for a moment, in the queue.
VANISHED_AFTER = 15.0
# A server that tells of its deployments does so between a deployment's end and its commit.
LONGEST_TELLING = 60.0
WHOLE_LOG = 10_000
_COMMIT = re.compile(r"Commit: ([0-9a-f]{7,64})")
_QUEUED = frozenset({"waiting", "active", "delayed", "paused", "prioritized", "running", "pending"})


class Api(Protocol):
    """The part of the client that is needed here."""

    def get(self, procedure: str, **query: Any) -> Any: ...

    def post(self, procedure: str, timeout: float | None = None, **body: Any) -> Any: ...


@dataclass
class Clock:
    """Time, as the tests replace it."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass
class Timeline:
    """What was seen happening, one line for each change, with seconds since the start."""

    clock: Clock = field(default_factory=Clock)
    tell: Callable[[str], None] = lambda line: None
    lines: list[str] = field(default_factory=list)
    _started: float | None = None
    _last: str = ""

    def note(self, text: str) -> None:
        """Add a line unless it says what the last one said."""
        if self._started is None:
            self._started = self.clock.now()
        if text != self._last:
            self.lines.append(f"{self.clock.now() - self._started:.0f} s: {text}")
            self.tell(self.lines[-1])
            self._last = text


def newest(rows: Iterable[Row]) -> Row | None:
    """The latest deployment, whatever the order of the answer."""
    return max(rows, key=lambda row: str(row.get("createdAt")), default=None)


def revision_of(row: Row | None) -> str:
    """The commit that a deployment of a Git source built; empty for other sources."""
    match = _COMMIT.search(str((row or {}).get("description") or ""))
    return match.group(1) if match else ""


def reasons_to_deploy(compose: Row, *, mark: str, wanted_mark: str, revision: str, force: bool) -> list[str]:
    """Why a deployment is due; empty when what runs is what the server holds."""
    last = newest(compose.get("deployments") or [])
    if last is None:
        return ["it was never deployed"]
    reasons = ["asked for (force)"] if force else []
    status = last.get("status")
    if status in ("error", "cancelled"):
        reasons.append(f"the last deployment ended as {status}")
    elif compose.get("composeStatus") == "idle":
        reasons.append("it is stopped")
    if not mark:
        reasons.append("what runs was not deployed, or not to the end, by this collection")
    elif mark != wanted_mark:
        reasons.append("source, environment or domains changed since the last deployment")
    if revision and not same_commit(revision_of(last), revision):
        reasons.append(f"revision {revision[:12]} is asked for, {revision_of(last)[:12] or 'none'} was deployed")
    return reasons


def same_commit(deployed: str, wanted: str) -> bool:
    """Whether two names of commits, either of them short, are one's; a blank one is none's."""
    return bool(deployed) and (deployed.startswith(wanted) or wanted.startswith(deployed))


class Deployer:
    """Runs deployments of one Compose service."""

    def __init__(
        self, api: Api, compose_id: str, *, timeout: float, interval: float = 2, timeline: Timeline | None = None
    ) -> None:
        self._api = api
        self._id = compose_id
        self._timeout = timeout
        self._interval = interval
        self.timeline = timeline or Timeline()
        self._clock = self.timeline.clock

    def run(self, title: str, *, commits: bool = False) -> Row:
        """Deploy and wait.

        Args:
            title: Of the deployment.
            commits: Whether the row is to say which commit it built.

        Returns:
            The row of the deployment that ended well.

        Raises:
            DeploymentFailedError: It failed, was cancelled, vanished, or took too long.
        """
        deadline = self._clock.now() + self._timeout
        known = self._wait_for_others(deadline)
        self._api.post("compose.deploy", composeId=self._id, title=title)
        self.timeline.note("queued")
        row = self._follow(known, deadline)
        if commits:
            row = self._with_commit(row)
        status = row.get("status")
        self.timeline.note(str(status))
        if status != "done":
            raise DeploymentFailedError(_why(row), str(row.get("deploymentId")))
        return row

    def log(self, deployment_id: str) -> str:
        """The whole log of a build and deployment, as far as the server keeps it."""
        return str(self._api.get("deployment.readLogs", deploymentId=deployment_id, tail=WHOLE_LOG) or "")

    def _wait_for_others(self, deadline: float) -> set[str]:
        """Let deployments that someone else started end; the ids of all that exist then."""
        while True:
            rows = self._api.get("deployment.allByCompose", composeId=self._id) or []
            if not self._queued() and not any(row.get("status") == "running" for row in rows):
                return {str(row.get("deploymentId")) for row in rows}
            self.timeline.note("another deployment of this service is under way")
            self._pause(deadline, "another deployment of this service to end")

    def _follow(self, known: set[str], deadline: float) -> Row:
        """The row of the posted job, once its status is final."""
        ours = ""
        last_sign = self._clock.now()
        while True:
            rows = self._rows()
            fresh = [row for row in rows or [] if str(row.get("deploymentId")) not in known]
            # Should someone else have posted meanwhile, the older row is ours: the queue keeps its order.
            row = _by_id(fresh, ours) or (fresh[-1] if fresh and not ours else None)
            if row is not None:
                ours = str(row.get("deploymentId"))
                last_sign = self._clock.now()
                if row.get("status") in ("done", "error", "cancelled"):
                    return row
                self.timeline.note(str(row.get("status")))
            elif rows is not None:
                last_sign = self._clock.now() if not ours and self._queued() else last_sign
                if self._clock.now() - last_sign > VANISHED_AFTER:
                    raise DeploymentFailedError(
                        "the deployment vanished from Dokploy's queue; the server was probably restarted, "
                        "which loses waiting jobs: run again",
                        ours,
                    )
            else:
                last_sign = self._clock.now()
            self._pause(deadline, "the deployment", ours)

    def _with_commit(self, row: Row) -> Row:
        """The same row with its commit, which Dokploy adds as its job's last act; without one where it knows none."""
        until = self._clock.now() + LONGEST_TELLING
        working = True
        while working and not revision_of(row) and self._clock.now() < until:
            self._clock.sleep(min(self._interval, 1))
            working = self._queued()
            row = _by_id(self._rows() or [], str(row.get("deploymentId"))) or row
        return row

    def _rows(self) -> list[Row] | None:
        """Deployments, newest first; None while the server is away, which an update of Dokploy may cause."""
        try:
            rows = self._api.get("deployment.allByCompose", composeId=self._id) or []
        except DokployError as error:
            if not error.temporary:
                raise
            self.timeline.note("the server does not answer")
            return None
        return sorted(rows, key=lambda row: str(row.get("createdAt")), reverse=True)

    def _queued(self) -> bool:
        jobs = self._api.get("deployment.queueList") or []
        return any(
            (job.get("data") or {}).get("composeId") == self._id and job.get("state", "waiting") in _QUEUED
            for job in jobs
        )

    def _pause(self, deadline: float, what: str, deployment_id: str = "") -> None:
        if self._clock.now() >= deadline:
            raise DeploymentFailedError(
                f"waited {self._timeout:g} s for {what}, without an end; look at it in Dokploy, or raise wait_timeout",
                deployment_id,
            )
        self._clock.sleep(self._interval)


def _by_id(rows: Iterable[Row], deployment_id: str) -> Row | None:
    return next((row for row in rows if str(row.get("deploymentId")) == deployment_id), None)


def _why(row: Row) -> str:
    if row.get("status") == "cancelled":
        return "the deployment was cancelled, by hand or by a restart of the Dokploy server; run again"
    said = last_reason(str(row.get("errorMessage") or ""))
    return f"the deployment failed{f': {said}' if said else ''}"


def watch_containers(
    api: Api,
    compose: Row,
    watch: HealthWatch,
    *,
    timeout: float,
    interval: float = 2,
    timeline: Timeline | None = None,
) -> tuple[Verdict, list[Row]]:
    """Look at a service's containers until they are good, broken, or the time is up."""
    timeline = timeline or Timeline()
    clock = timeline.clock
    deadline = clock.now() + timeout
    while True:
        rows = api.get("docker.getContainersByAppNameMatch", **containers_query(compose)) or []
        verdict = watch.look(rows, str(compose["appName"]))
        if verdict.good or verdict.broken or clock.now() >= deadline:
            return verdict, rows
        late = sorted(line.split(":")[0] for line in verdict.waiting)
        timeline.note(f"waiting for {', '.join(late)}")
        clock.sleep(interval)
