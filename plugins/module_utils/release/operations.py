# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is done about backups by hand and by timers: make one, prove the newest, check and prune the repository."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..databases import sqlite
from ..databases.rows import missing
from ..errors import StepError
from ..notices.tell import tell_change
from . import copies, dumps, origins, repository, saved
from .backup import Local, fill, new_name, whole
from .keeping import Hook
from .restic import Restic
from .run import Run

OPERATIONS = ("backup", "prove", "check", "prune")
# Of what is larger than this a check reads some packs by chance, since the repository may lie far away.
_SMALL, _SHARE = 2**30, "10%"
_PROOF = "proof"


def perform(run: Run, operation: str, wanted: str = "") -> dict[str, Any]:
    """One of `OPERATIONS`, put on record whatever becomes of it; what is on record.

    Raises:
        StepError: It failed; who is to be told has been told.
    """
    begin = time.time()
    record: dict[str, Any] = {"operation": operation}
    ways: dict[str, Callable[[], dict[str, Any]]] = {
        "backup": lambda: _back_up(run),
        "prove": lambda: _prove(run, wanted),
        "check": lambda: _check(run),
        "prune": lambda: _prune(run),
    }
    try:
        with run.step(operation):
            record |= ways[operation]()
    except StepError as trouble:
        message = run.redact(trouble.cause)
        _note(run, {**record, "at": begin, "seconds": round(time.time() - begin, 1), "trouble": message})
        tell_change("backup", _watched(operation), [message], run.stack.name)
        _tell(run, operation, message)
        raise
    record |= {"at": begin, "seconds": round(time.time() - begin, 1), "trouble": ""}
    _note(run, record)
    tell_change("backup", _watched(operation), [], run.stack.name)
    return record


def _watched(operation: str) -> str:
    return f"The operation {operation} on backups"


def _back_up(run: Run) -> dict[str, Any]:
    keeping = run.settings.keeping
    restic = Restic(keeping.repository, run.inherit) if keeping.repository else None
    unreachable: StepError | None = None
    if restic:
        try:
            restic.open()
        except StepError as trouble:
            # A backup on the server is better than none; the failure is told all the same.
            if not keeping.local:
                raise
            restic, unreachable = None, trouble
    # A run that was killed while it copied left them held still.
    copies.let_go(run)
    name = new_name(run)
    local = Local(run, name) if keeping.local else None
    remote = repository.Remote(restic, run.stack.name, name, keeping.exclude) if restic else None
    places = [place for place in (local, remote) if place]
    try:
        _ask(run, keeping.before)
        try:
            manifest = fill(run, places)
        finally:
            _ask(run, keeping.after)
        if remote and keeping.images:
            manifest["saved"] = saved.save(run, remote)
        if local:
            local.finish(manifest)
        if remote:
            remote.finish(manifest)
    finally:
        for place in places:
            place.abort()
    if unreachable:
        run.notes.append(f"The backup {name} lies on the server alone.")
        raise unreachable
    _in_order(run, name, restic)
    gone = repository.forget(restic, run.stack.name) if restic else []
    size = sum(told["bytes"] for part, told in places[0].files.items() if part != origins.IMAGES)
    rows = sum(n for told in manifest["databases"].values() for n in told["rows"].values())
    where = [word for word, place in (("local", local), ("repository", remote)) if place]
    return {"name": name, "bytes": size, "rows": rows, "places": where, "forgotten": gone}


def _in_order(run: Run, name: str, restic: Restic | None) -> None:
    """Backups are told apart, kept and restored by their times: one of a later time is in the way of all others."""
    names = [place.name for place in whole(run)]
    names += [backup.name for backup in repository.stored(restic, run.stack.name)] if restic else []
    later = max(names)
    if later[:16] > name[:16]:
        raise StepError(
            f"{name} was made, and the older backup {later} bears a later time: this server's clock is or was wrong",
            advice="Set the clock; if it was wrong when the older one was made, remove that one.",
        )


def _prove(run: Run, wanted: str) -> dict[str, Any]:
    """Restored in scratch containers without a network and in a directory of its own, and counted."""
    source = origins.choose(run, wanted, "repository" if run.settings.keeping.repository else "local")
    room = run.state.directory / _PROOF
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(mode=0o700)
    try:
        parts = source.parts(run)
        known = source.manifest.get("databases", {})
        if lost := sorted(known.keys() - parts.keys()):
            raise StepError(f"{source.name} holds no dump of {', '.join(lost)}, which its manifest names")
        counted = 0
        for service in run.stack.stateful:
            if service.name in parts:
                counted += sum(dumps.prove(run, service, parts[service.name], source.manifest).values())
        for volume, told in source.manifest.get("volumes", {}).items():
            source.unpack(run, volume, room / volume)
            for path, rows in told.get("sqlite", {}).items():
                found = sqlite.count(room / volume / path)
                if said := missing(rows, found):
                    raise StepError(f"volume {volume}: {path}: {said}")
                counted += sum(found.values())
        _open(run, room)
    finally:
        shutil.rmtree(room, ignore_errors=True)
        source.drop()
    return {"name": source.name, "of": source.manifest["at"], "rows": counted}


def _open(run: Run, room: Path) -> None:
    """The user's own look at what came back: a command in a directory that holds one for each volume."""
    command = run.settings.keeping.proof
    if not command:
        return
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("RESTIC_", "AWS_"))}
    try:
        done = subprocess.run(
            command, cwd=room, env=plain, stdin=subprocess.DEVNULL, capture_output=True, timeout=3600, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StepError(f"compose_stack_backup_proof: {error}")
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise StepError(f"compose_stack_backup_proof ended with status {done.returncode}", said)


def _check(run: Run) -> dict[str, Any]:
    try:
        small = max((r["bytes"] for r in run.state.backup_records() if "bytes" in r), default=_SMALL + 1) <= _SMALL
        _restic(run).ask("check", "--read-data" if small else f"--read-data-subset={_SHARE}")
    except StepError as trouble:
        raise StepError(
            f"the repository is damaged or cannot be read: {trouble}",
            trouble.log,
            trouble.advice or "Make a backup to a new repository; restic repair may save the old one.",
        )
    return {}


def _prune(run: Run) -> dict[str, Any]:
    restic = _restic(run)
    if restic.repository.append_only:
        raise StepError("the repository is append-only from this server", advice="Prune it from elsewhere.")
    gone = repository.forget(restic, run.stack.name)
    restic.ask("prune")
    return {"forgotten": gone}


def _restic(run: Run) -> Restic:
    if not run.settings.keeping.repository:
        raise StepError("there is no repository", advice="Set compose_stack_backup_repository.")
    return Restic(run.settings.keeping.repository, run.inherit)


def _ask(run: Run, hook: Hook | None) -> None:
    if not hook:
        return
    current = run.state.serving().current
    projects = [run.data_project, *([run.project(current)] if current else [])]
    found = [c for p in projects for c in run.engine.containers(p.name) if c.service == hook.service and c.running]
    if not found:
        raise StepError(f"compose_stack_backup_hooks: service {hook.service} does not run")
    with tempfile.TemporaryFile() as said:
        words = ["timeout", f"{hook.timeout:g}", *hook.command]
        status = run.engine.execute(found[0].id, words, stdout=said, stderr=said)
        said.seek(0)
        if status:
            log = said.read().decode(errors="replace")
            raise StepError(f"the hook in {hook.service} ended with status {status}", log)


def _note(run: Run, record: dict[str, Any]) -> None:
    # On a full disk the failure is told, and not put on record.
    with contextlib.suppress(OSError):
        run.state.append_backup(record)


def _tell(run: Run, operation: str, message: str) -> None:
    command = run.settings.keeping.on_failure
    if not command:
        return
    told = {"stack": run.stack.name, "operation": operation, "trouble": message}
    try:
        subprocess.run(command, input=json.dumps(told).encode(), timeout=60, check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        run.notes.append(f"compose_stack_backup_on_failure did not work: {type(error).__name__}.")
