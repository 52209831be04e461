# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a report holds, whatever it is written as."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from ...module_utils.errors import UserError
from ...module_utils.results import SEVERITY, GateResult, Status, gate_result, worst_status
from .history import Changes, Run, Trend, compare, run_of, trends

# Where a check's id begins so, it stands under that heading; the first match counts.
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Reachable and working", ("site.",)),
    ("Encryption", ("tls.",)),
    ("Containers and host", ("container.", "host.", "release.")),
    ("Through Dokploy's API", ("dokploy.",)),
    ("Images", ("image", "dockerfile")),
    ("Secrets", ("secret", "log_secret", "log.")),
    ("Other", ("",)),
)

# What a check's id begins with, and what it began with in reports before 0.2.
_FORMERLY = {"image_secret_names.": "image_secrets."}

# Control characters would let a server's answer move the reader's cursor.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class VerificationReport:
    """The results of one verification."""

    title: str
    results: tuple[GateResult, ...]
    at: str
    url: str = ""
    host: str = ""
    seconds: float | None = None
    waived: tuple[str, ...] = field(default=())
    before: tuple[Run, ...] = ()
    """Earlier runs, oldest first."""

    @property
    def run(self) -> Run:
        """What is kept of this run."""
        return run_of(self.results, self.at, self.status)

    @property
    def changes(self) -> Changes | None:
        """What is different from the run before; None for the first."""
        return compare(self.before[-1], self.run) if self.before else None

    @property
    def trends(self) -> list[Trend]:
        return trends([*self.before, self.run])

    @property
    def status(self) -> Status:
        return worst_status(list(self.results))

    @property
    def counts(self) -> dict[Status, int]:
        """How many results have each status, gravest first."""
        return {status: sum(r["status"] == status for r in self.results) for status in reversed(SEVERITY)}

    @property
    def groups(self) -> list[tuple[str, list[GateResult]]]:
        """Headings that have results, with them."""
        sorted_out: dict[str, list[GateResult]] = {title: [] for title, _ in GROUPS}
        for result in self.results:
            sorted_out[group_of(result["id"])].append(result)
        return [(title, results) for title, results in sorted_out.items() if results]

    @property
    def verdict(self) -> str:
        """The outcome in a few words."""
        counts = self.counts
        if counts["fail"]:
            return f"{_checks(counts['fail'])} failed"
        if counts["warn"]:
            return f"passed with {counts['warn']} warning{'' if counts['warn'] == 1 else 's'}"
        return f"all {_checks(counts['pass'])} passed" if counts["pass"] else "nothing was checked"


def group_of(id: str) -> str:
    """The heading under which a check stands."""
    return next(title for title, prefixes in GROUPS if id.startswith(prefixes))


def read_results(values: Iterable[Any], name: str = "results") -> list[GateResult]:
    """Results as they came through Ansible, checked for their form.

    Raises:
        UserError: One is not a result; two have one id.
    """
    results: list[GateResult] = []
    for position, value in enumerate(map(_writable, values)):
        where = f"{name}[{position}]"
        missing = [key for key in ("id", "title", "status") if not isinstance(value, Mapping) or key not in value]
        if missing:
            raise UserError(f"{where}: {', '.join(missing)} is missing, so it is no result of a check")
        try:
            results.append(
                gate_result(
                    line_of(str(value["id"])),
                    line_of(str(value["title"])),
                    value["status"],
                    measured=value.get("measured"),
                    limit=value.get("limit"),
                    evidence=[str(line) for line in value.get("evidence") or []],
                    advice=[str(line) for line in value.get("advice") or []],
                    details=value.get("details"),
                )
            )
        except ValueError as error:
            raise UserError(f"{where}: {error}")
    return _distinct(results)


def _distinct(results: list[GateResult]) -> list[GateResult]:
    """Give a second result of the same id a number, so that neither hides the other."""
    seen: dict[str, int] = {}
    for result in results:
        seen[result["id"]] = seen.get(result["id"], 0) + 1
        if seen[result["id"]] > 1:
            result["id"] += f".{seen[result['id']]}"
    return results


def waive(results: list[GateResult], waivers: Mapping[str, str]) -> tuple[list[GateResult], tuple[str, ...]]:
    """Let failures that a person has accepted be warnings; answers the results and the ids concerned.

    Args:
        results: What the checks found.
        waivers: Reasons by id or pattern, such as `site.port.*`.

    Raises:
        UserError: A waiver without a reason.
    """
    for pattern, reason in waivers.items():
        if not str(reason or "").strip():
            raise UserError(f"waivers: {pattern} has no reason; say why the check may fail")
    waived: list[str] = []
    judged = [result.copy() for result in results]
    for result in judged:
        reasons = [
            f"{reason}{hint}"
            for pattern, reason in waivers.items()
            for hint, id in _names(result["id"])
            if fnmatchcase(id, pattern)
        ]
        if result["status"] == "fail" and reasons:
            waived.append(result["id"])
            result["status"] = "warn"
            result["evidence"] = [f"accepted: {reasons[0]}", *result["evidence"]]
    return judged, tuple(waived)


def _names(id: str) -> Iterator[tuple[str, str]]:
    """The names by which a waiver may call a check, each with what to say of it."""
    yield "", id
    for now, before in _FORMERLY.items():
        if id.startswith(now):
            yield f" (the waiver names it as it was called before; it is {id} now)", before + id.removeprefix(now)


def line_of(text: str) -> str:
    """The text as one line that a terminal shows and does not obey."""
    return _CONTROL.sub(" ", text)


def _writable(value: Any) -> Any:
    """The same with every text such as UTF-8 can hold: an answer's JSON may have half of a surrogate pair."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_writable(key): _writable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_writable(item) for item in value]
    return value


def shown(value: Any) -> str:
    """A measured value or a limit as text; nothing for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {shown(item)}" for key, item in value.items())
    return str(value)


def _checks(count: int) -> str:
    return f"{count} check{'' if count == 1 else 's'}"
