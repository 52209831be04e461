# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jobs of a release: each runs once to its end, and what it said goes on record."""

from __future__ import annotations

from ..errors import StepError
from ..stack import Service
from ..stack.directory import Journal
from .engine import Project
from .run import LOG_LINES, Run

_LENGTH = 4000


def run_job(run: Run, project: Project, job: Service, journal: Journal) -> None:
    """Run a job of the journal's target.

    Raises:
        StepError: It ended with another status than 0, or not in time.
    """
    with run.step("job", job.name):
        begin = run.clock()
        status, output = run.engine.run_once(project, job.name, (), job.timeout)
        # Masked before it is cut: a part of a secret would not be known again.
        told = "\n".join(run.redact(output).strip().splitlines()[-LOG_LINES:])[-_LENGTH:]
        told_of = {"status": status, "seconds": round(run.clock() - begin, 3), "output": told}
        journal.record.setdefault("jobs", {})[job.name] = told_of
        run.state.write_journal(journal)
        if status:
            raise StepError(
                f"job {job.name} ended with status {status}", output, "Mend what it says, then run the same play again."
            )
