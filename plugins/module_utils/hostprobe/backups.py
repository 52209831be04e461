# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether there is a fresh backup of the usual size, and whether one was seen to come back."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..results import GateResult, gate_result
from ..sizes import format_size
from .host import told_age

# Backups that a new one's size is held against, and the share of their median that is suspicious.
_COMPARED, _SHARE = 5, 0.5
Record = dict[str, Any]


def newest(directory: Path) -> tuple[str, float] | None:
    """Name and time of the newest whole backup on the server; a directory without a manifest was cut off."""
    found = []
    for manifest in directory.glob("[0-9]*/manifest.json"):
        try:
            at = float(json.loads(manifest.read_text(encoding="utf-8"))["at"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        found.append((at, manifest.parent.name))
    return (max(found)[1], max(found)[0]) if found else None


def latest(found: tuple[str, float] | None, records: Sequence[Record]) -> tuple[str, float] | None:
    """Name and time of the newest backup, on the server or in a repository."""
    known = [(str(r["name"]), float(r["at"])) for r in _made(records)] + ([found] if found else [])
    return max(known, key=lambda told: told[1]) if known else None


def judge_backup(
    found: tuple[str, float] | None, records: Sequence[Record], most: int, now: float | None = None
) -> GateResult:
    """A warning and no failure: an old backup endangers the data, and not this release.

    Args:
        found: The newest on the server.
        records: What was done about backups, oldest first; those in a repository are known by them.
        most: Seconds.
    """
    now = time.time() if now is None else now
    title, limit = "Newest backup", f"{told_age(most)} old at most"
    known = latest(found, records)
    if not known:
        advice = ["run playbooks/backup.yml, and let compose_stack_backup_schedule repeat it"]
        return gate_result("host.backup", title, "warn", measured="none", limit=limit, advice=advice)
    name, at = known
    faults = [f"it is older than {told_age(most)}"] if now - at > most else []
    faults += [f"the last {word} failed: {said}" for word in ("backup", "check") if (said := _last(records, word))]
    faults += _shrunk(_made(records))
    return gate_result(
        "host.backup",
        title,
        "warn" if faults else "pass",
        measured=f"{told_age(now - at)} old",
        limit=limit,
        evidence=[name, *faults],
        advice=["run playbooks/backup.yml, and see journalctl --unit 'sluice-backup-*'"] if faults else [],
    )


def judge_proof(records: Sequence[Record], most: int, now: float | None = None) -> GateResult:
    """Whether a backup was restored aside and counted not long ago."""
    now = time.time() if now is None else now
    proofs = _of(records, "prove")
    proved = [r for r in proofs if not r.get("trouble")]
    title, limit = "Newest proof that a backup comes back", f"{told_age(most)} old at most"
    said = _last(records, "prove")
    age = now - float(proved[-1]["at"]) if proved else None
    good = age is not None and age <= most and not said
    evidence = [f"{proved[-1]['name']}, {proved[-1].get('rows', 0)} rows"] if proved else []
    return gate_result(
        "host.backup_proof",
        title,
        "pass" if good else "warn",
        measured="none" if age is None else f"{told_age(age)} old",
        limit=limit,
        evidence=evidence + ([f"the last proof failed: {said}"] if said else []),
        advice=[] if good else ["run playbooks/backup.yml --tags prove"],
    )


def _made(records: Sequence[Record]) -> list[Record]:
    return [r for r in _of(records, "backup") if not r.get("trouble")]


def _of(records: Sequence[Record], operation: str) -> list[Record]:
    return [r for r in records if r.get("operation") == operation and "at" in r]


def _last(records: Sequence[Record], operation: str) -> str:
    """What the last one of its kind complained of."""
    known = _of(records, operation)
    return str(known[-1].get("trouble") or "") if known else ""


def _shrunk(made: Sequence[Record]) -> list[str]:
    if len(made) < 2:
        return []
    size = int(made[-1].get("bytes", 0))
    usual = statistics.median(int(r.get("bytes", 0)) for r in made[-1 - _COMPARED : -1])
    if size >= usual * _SHARE:
        return []
    return [f"it has {format_size(size)}, and the last ones had {format_size(int(usual))}"]
