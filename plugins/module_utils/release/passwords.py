# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A database's password follows the vault's.

A database reads its environment's password only when it makes an empty one. So a release that brings another one
changes it in the database just before its first container asks for it, and puts it back when anything fails.
Connections that are open live on; what the old release opens anew until the switch is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..databases.kind import Passwords
from ..databases.kinds import kind_of
from ..errors import StepError
from ..files import write_whole
from ..stack import Secret, Service, Stack
from ..stack import override as render
from ..stack.directory import read_state
from .engine import Project
from .run import Run

_NOTE_LOST = "move the file away, and run again: the release gives the database the password of the vault"
# Seconds in which a database that nothing asks for its health makes its tables.
_FIRST_START = 60.0


def password_of(service: Service) -> Secret | None:
    """The secret that is the password with which a database was made, where a release can change it."""
    way = _way(service)
    return next((secret for secret in service.secrets if way and secret.variable in way.variables), None)


def changeable(stack: Stack) -> set[str]:
    """The secrets of stateful services that a release can change, as the fingerprints name them."""
    found = ((service, password_of(service)) for service in stack.stateful)
    return {f"{service.name}.{secret.variable}" for service, secret in found if secret}


def apply(run: Run) -> None:
    """Every database takes the password that the vault has; what it took before is noted first.

    Raises:
        StepError: A database does not tell or take it.
    """
    containers = {c.service: c for c in run.engine.containers(run.data_project.name) if c.running}
    for service in run.stack.stateful:
        secret, way = password_of(service), _way(service)
        if not secret or not way or service.name not in containers:
            continue
        container, password = containers[service.name].id, run.secrets[secret.name]
        # Without a health check, it counted as up before it answers: its first start makes its tables.
        kept = _kept(run, way, container, 0 if containers[service.name].health else _FIRST_START)
        if not way.matches(kept, password):
            write_whole(run.state.passwords_note, json.dumps({service.name: kept, **_read(run)}) + "\n")
            way.keep(run, container, way.made(password))
            run.notes.append(f"The password of {service.name} was changed in the database.")


def _kept(run: Run, way: Passwords, container: str, patience: float) -> str:
    end = run.clock() + patience
    while True:
        try:
            return way.kept(run, container)
        except StepError:
            if run.clock() >= end:
                raise
        run.sleep(0.5)


def put_back(run: Run) -> None:
    """The passwords from before an operation that failed are valid again.

    Raises:
        StepError: A database does not take it; the note stays for the next try.
    """
    noted, containers = _read(run), _containers(run)
    for service in run.stack.stateful:
        way = _way(service)
        if way and service.name in noted and service.name in containers:
            way.keep(run, containers[service.name], noted[service.name])
            run.notes.append(f"The password of {service.name} in the database is the old one again.")
    settle(run)


def settle(run: Run) -> None:
    """The passwords as they are now stay."""
    run.state.passwords_note.unlink(missing_ok=True)


def renew_files(run: Run, project: Project, stack: Stack) -> None:
    """A release from before a change knows the old password: what holds the database's gets today's value."""
    for place, text in _renewed(run, project, stack).items():
        before = place.stat()
        write_whole(place, text, before.st_mode & 0o777, (before.st_uid, before.st_gid))


def stale(run: Run, project: Project, stack: Stack) -> bool:
    """Whether a release's containers hold a password from before a change."""
    return bool(_renewed(run, project, stack))


def _renewed(run: Run, project: Project, stack: Stack) -> dict[Path, str]:
    """The files of a release in which today's password stands otherwise, as they should be."""
    secrets = [secret for secret in map(password_of, run.stack.stateful) if secret]
    held = {form for secret in secrets for form in (run.secrets[secret.name], quote(run.secrets[secret.name], safe=""))}
    names = {name for name, value in run.secrets.items() if any(form in value for form in held)}
    override = project.directory / "secrets.yml"
    files: dict[Path, str] = {}
    for service in stack.released:
        for secret in service.secrets:
            if secret.name not in names:
                continue
            value = run.secrets[secret.name]
            if secret.kind == "env":
                text = files.get(override) or override.read_text(encoding="utf-8")
                files[override] = render.with_value(text, service.name, secret.variable, value)
            elif secret.kind == "text":
                text = files.get(override) or override.read_text(encoding="utf-8")
                files[override] = render.with_texts(text, service, run.secrets)
            else:
                files[project.directory / "secrets" / service.name / secret.name] = value
    return {place: text for place, text in files.items() if place.read_text(encoding="utf-8") != text}


def _way(service: Service) -> Passwords | None:
    kind = kind_of(service)
    way = kind.passwords if kind else None
    named = {*service.env, *(secret.variable for secret in service.secrets)}
    return way if way and (not way.needs or named & set(way.needs)) else None


def _containers(run: Run) -> dict[str, str]:
    return {c.service: c.id for c in run.engine.containers(run.data_project.name) if c.running}


def _read(run: Run) -> dict[str, str]:
    return read_state(run.state.passwords_note, _as_noted, _NOTE_LOST) or {}


def _as_noted(value: Any) -> dict[str, str]:
    if not all(isinstance(kept, str) for kept in value.values()):
        raise TypeError
    return dict(value)
