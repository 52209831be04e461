# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the app's scheduled jobs run, and how their last runs ended."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..results import GateResult, gate_result
from ..stack.directory import StackState
from ..stack.jobs import Jobs
from . import facts
from .host import told_age


def jobs_of(state: StackState) -> list[dict[str, Any]]:
    """Each with `name`, `schedule`, its `timer`'s state, the `next` run, and the last one's `at` and `outcome`.

    Raises:
        UserError: systemd does not answer.
    """
    jobs, found = Jobs(state.directory), []
    for name, told in sorted(jobs.described().items()):
        timer = facts.unit(f"sluice-job-{state.directory.name}_{name}.timer", "ActiveState", "NextElapseUSecRealtime")
        row: dict[str, Any] = {"name": name, "schedule": told.get("schedule", "")}
        row |= {"timer": timer.get("ActiveState", "unknown"), "next": timer.get("NextElapseUSecRealtime", "")}
        for run in jobs.runs(name)[-1:]:
            row |= {key: run[key] for key in ("at", "outcome") if key in run}
        found.append(row)
    return found


def judge_jobs(rows: list[dict[str, Any]], now: float | None = None) -> GateResult:
    """By what `jobs_of` tells."""
    now = time.time() if now is None else now
    asleep = [f"{row['name']}: its timer is {row['timer']}" for row in rows if row["timer"] != "active"]
    failed = [f"{row['name']}: {row['outcome']}" for row in rows if row.get("outcome")]
    advice = ["run site.yml, which installs their timers"] if asleep else []
    advice += ["see journalctl --unit 'sluice-job-*'"] if failed else []
    return gate_result(
        "host.jobs",
        "Scheduled jobs run",
        "fail" if asleep else "warn" if failed else "pass",
        measured=f"{len(rows) - len(asleep) - len(failed)} of {len(rows)} well",
        limit="timers active, last runs well",
        evidence=[*asleep, *failed, *(_told(row, now) for row in rows if not row.get("outcome"))],
        advice=advice,
    )


def _told(row: Mapping[str, Any], now: float) -> str:
    last = f"last run {told_age(now - row['at'])} ago" if "at" in row else "has not run yet"
    return f"{row['name']} ({row['schedule']}): {last}, next {row['next'] or 'unknown'}"
