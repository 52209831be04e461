# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes and shows a report; an action, since all of it happens on the controller's disk and terminal."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.color import stringc
from ansible.utils.display import Display

from ..module_utils.errors import UserError
from ..module_utils.files import write_whole
from ..module_utils.results import SEVERITY, Status
from ..plugin_utils.report.collect import collect
from ..plugin_utils.report.history import Run, read_runs
from ..plugin_utils.report.machine import as_json, as_junit
from ..plugin_utils.report.model import VerificationReport, line_of, waive
from ..plugin_utils.report.page import as_page
from ..plugin_utils.report.table import as_table

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "title": {"type": "str", "required": True},
    "sources": {"type": "list", "elements": "dict", "required": True},
    "url": {"type": "str", "default": ""},
    "directory": {"type": "path", "default": ""},
    "name": {"type": "str", "default": "report"},
    "waivers": {"type": "dict", "default": {}},
    "fail_on": {"type": "str", "choices": ["fail", "warn", "never"], "default": "fail"},
    "started": {"type": "float"},
    "history": {"type": "int", "default": 0},
}
COLOURS: dict[Status, str] = {"pass": "green", "warn": "yellow", "fail": "red", "skip": "cyan"}
WRITERS = {"json": as_json, "xml": as_junit, "html": as_page}
_WIDEST = 150
_FILE_MODE = 0o644
_NAME = re.compile(r"(?!\.)[^/\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
# The draft of a file has a dot and two suffixes more, and file systems end at 255.
_LONGEST_NAME = 200


def paint(text: str, status: Status) -> str:
    return stringc(text, COLOURS[status])


def history_file(directory: Path, name: str) -> Path:
    """Where the runs of a report are kept.

    Raises:
        UserError: The name is none of a file in the directory.
    """
    if not _NAME.fullmatch(name) or len(name.encode()) > _LONGEST_NAME:
        raise UserError(
            f"name: {name!r} is no name for a report's files; write one without a slash or control characters, that "
            f"does not begin with a dot and has at most {_LONGEST_NAME} bytes"
        )
    return directory / f"{name}.runs.jsonl"


def write(report: VerificationReport, directory: Path, name: str, keep: int = 0) -> dict[str, str]:
    """The report's files; each appears whole, so that a page being read is never half a page.

    Args:
        report: What to write.
        directory: Where to.
        name: The files' name without its suffix.
        keep: How many runs the history holds, this one among them; none is written for 0.

    Raises:
        UserError: The name is none of a file in the directory, or a file cannot be written.
    """
    runs = history_file(directory, name)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        files = {}
        for suffix, writer in WRITERS.items():
            path = directory / f"{name}.{suffix}"
            write_whole(path, writer(report), _FILE_MODE)
            files[suffix] = str(path)
        if keep > 0:
            lines = [run.as_line() for run in (*report.before, report.run)]
            write_whole(runs, "\n".join(lines[-keep:]) + "\n", _FILE_MODE)
            files["runs"] = str(runs)
    except OSError as error:
        raise UserError(f"directory: the report cannot be written to {directory}: {error.strerror}")
    return files


def _place(params: dict[str, Any]) -> Path:
    return Path.cwd() / str(params["directory"])


class ActionModule(ActionBase):
    """The action behind M(sluice.deploy.verify_report)."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _, params = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        try:
            report = self._report(params, (task_vars or {}).get("inventory_hostname", ""))
            rehearsal = self._task.check_mode or not params["directory"]
            files = {} if rehearsal else write(report, _place(params), params["name"], params["history"])
        except UserError as error:
            raise AnsibleActionFail(f"verify_report: {error}")
        width = min(shutil.get_terminal_size((110, 0)).columns, _WIDEST)
        Display().display(f"\n{as_table(report, width, paint)}\n" + (f"{files['html']}\n" if files else ""))
        result.update(changed=False, status=report.status, counts=report.counts, files=files)
        result["changes"] = report.changes.line if report.changes else ""
        limit = params["fail_on"]
        if limit != "never" and not self._task.check_mode and report.status == "skip":
            result.update(failed=True, msg=line_of(f"{report.title}: {report.verdict}, which is no pass"))
        if limit != "never" and not self._task.check_mode and SEVERITY.index(report.status) >= SEVERITY.index(limit):
            bad = [r["id"] for r in report.results if SEVERITY.index(r["status"]) >= SEVERITY.index(limit)]
            result.update(failed=True, msg=line_of(f"{report.title}: {report.verdict}: {', '.join(bad)}"))
        return result

    @staticmethod
    def _report(params: dict[str, Any], host: str) -> VerificationReport:
        results, waived = waive(collect(params["sources"]), params["waivers"])
        started = params["started"]
        keep: int = params["history"]
        before: tuple[Run, ...] = ()
        if keep > 0 and params["directory"]:
            before = tuple(read_runs(history_file(_place(params), params["name"]))[-keep:])
        return VerificationReport(
            title=params["title"],
            results=tuple(results),
            at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            url=params["url"],
            host=host,
            seconds=None if started is None else max(0.0, time.time() - started),
            waived=waived,
            before=before,
        )
