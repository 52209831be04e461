# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rows of a Dokploy server, of whatever kind: made, changed and removed so that there is one of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UserError
from .client import Client
from .projects import Change
from .source import changes, check_stored

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of rows.

    Attributes:
        what: What it is called in messages.
        id_key: The field with a row's id.
        create: Procedures; each of them takes fields.
        update: Takes the id as well.
        remove: Takes the id alone.
        hidden: Fields that no output shows.
        fixed: Fields that cannot be changed, since the server offers no way.
        whole: Whether an update wants all fields, the unchanged ones too.
        trial: A procedure that refuses what the server cannot use and stores nothing, where an update stores it first.
    """

    what: str
    id_key: str
    create: str
    update: str
    remove: str
    hidden: frozenset[str] = field(default=frozenset())
    fixed: frozenset[str] = field(default=frozenset())
    whole: bool = False
    trial: str = ""


@dataclass(frozen=True)
class Wanted:
    """One row as it is to be.

    Attributes:
        key: The fields that tell it from others of its kind.
        fields: The others; None leaves one as it is.
        extra: What is sent along when it is made.
        ids: What is sent along when it is changed, from the row that there is.
    """

    key: Mapping[str, Any]
    fields: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    ids: Callable[[Row], Mapping[str, Any]] = lambda row: {}

    @property
    def named(self) -> str:
        """For messages."""
        return " ".join(str(value) for value in self.key.values() if value is not None)


def find_row(rows: list[Row], kind: Kind, key: Mapping[str, Any]) -> Row | None:
    """The row with these values, or None.

    Raises:
        UserError: More than one has them, since Dokploy keeps nothing unique.
    """
    found = [row for row in rows if all(row.get(name) == value for name, value in key.items())]
    if len(found) > 1:
        ids = ", ".join(str(row.get(kind.id_key)) for row in found)
        named = Wanted(key).named
        raise UserError(f"{len(found)} {kind.what}s are {named!r} (ids {ids}); delete all but one in Dokploy")
    return found[0] if found else None


def ensure_row(
    client: Client, kind: Kind, rows: Callable[[], list[Row]], wanted: Wanted, *, present: bool, check: bool
) -> Change:
    """There is one such row, or none.

    Args:
        client: Sends what has to change.
        kind: Of which kind it is.
        rows: Asks the server for all that there are.
        wanted: The row.
        present: Whether it is to be there.
        check: Whether to change nothing.

    Raises:
        UserError: There are several, or the server did not do as it said.
    """
    row = find_row(rows(), kind, wanted.key)
    fields = {name: value for name, value in wanted.fields.items() if value is not None}
    outcome = Change(values={"id": row[kind.id_key] if row else None})
    if not present:
        if row:
            outcome.changed, outcome.before = True, dict(wanted.key)
            if not check:
                client.post(kind.remove, **{kind.id_key: row[kind.id_key]})
                if find_row(rows(), kind, wanted.key):
                    raise UserError(
                        f"Dokploy answered that it removed {kind.what} {wanted.named!r}, but still lists it"
                    )
                outcome.values["id"] = None
        return outcome
    if row is None:
        outcome.changed, outcome.after = True, _shown(kind, {**wanted.key, **fields})
        if not check:
            client.post(kind.create, **wanted.extra, **wanted.key, **fields)
            outcome.values["id"] = _stored(kind, rows(), wanted, fields)[kind.id_key]
        return outcome
    changed = changes(row, fields)
    if kind.fixed & set(changed):
        raise UserError(
            f"{kind.what} {wanted.named!r} has another {', '.join(sorted(kind.fixed & set(changed)))}, which Dokploy "
            "cannot change; take another name, or remove it first (state: absent)"
        )
    if changed:
        outcome.changed = True
        outcome.before = _shown(kind, {name: row.get(name) for name in changed})
        outcome.after = _shown(kind, changed, changed=True)
        if not check:
            every = {**wanted.extra, **wanted.key, **fields}
            if kind.trial:
                client.post(kind.trial, **every)
            sent = every if kind.whole else changed
            client.post(kind.update, **{**wanted.ids(row), **sent, kind.id_key: row[kind.id_key]})
            _stored(kind, rows(), wanted, changed)
    return outcome


def _stored(kind: Kind, rows: list[Row], wanted: Wanted, fields: Mapping[str, Any]) -> Row:
    row = find_row(rows, kind, wanted.key)
    if row is None:
        raise UserError(f"Dokploy answered that it made {kind.what} {wanted.named!r}, but does not list it")
    check_stored(row, fields, what=f"{kind.what} {wanted.named!r}")
    return row


def _shown(kind: Kind, fields: Mapping[str, Any], *, changed: bool = False) -> dict[str, Any]:
    mask = "(hidden, changed)" if changed else "(hidden)"
    return {name: mask if name in kind.hidden else value for name, value in fields.items()}
