# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What secrets a vault file is to hold, and what is done so that it does."""

from __future__ import annotations

import secrets
import string
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ...module_utils.errors import UserError, nearest
from ...module_utils.secretvalues.values import dsn
from . import text as vault_text

FORMS = ("hex", "urlsafe", "alphanumeric")
_KEYS = ("form", "length", "dsn", "after_rotation", "fixed")
_LENGTH = 64
_SHORTEST = 16
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Form:
    """How one secret is made: random in an alphabet, or a URL around another secret."""

    form: str = "hex"
    length: int = _LENGTH
    dsn: Mapping[str, Any] = field(default_factory=dict)
    """Parts of a connection URL; `password_from` names the secret that is its password."""
    after_rotation: str = ""
    """What a new value means, or what has to be done beside it."""
    fixed: str = ""
    """Why it is never replaced."""

    def generate(self) -> str:
        if self.form == "hex":
            return secrets.token_hex(self.length // 2 + 1)[: self.length]
        if self.form == "urlsafe":
            return secrets.token_urlsafe(self.length)[: self.length]
        return "".join(secrets.choice(_ALPHABET) for _ in range(self.length))


@dataclass
class VaultChange:
    """The new text, and the names, never values, of what changed."""

    text: str = field(repr=False)
    added: list[str] = field(default_factory=list)
    rotated: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.added or self.rotated)


def read_forms(names: Iterable[str], forms: Mapping[str, Mapping[str, Any]]) -> dict[str, Form]:
    """The form of every secret that is named, or that has one.

    Raises:
        UserError: A form that is unknown, too short, or built on a secret that is not named.
    """
    found = {name: _form(name, forms.get(name) or {}) for name in dict.fromkeys([*names, *forms])}
    for name, form in found.items():
        if name.count(".") > 1 or not all(part.isidentifier() for part in name.split(".")):
            raise UserError(f"secrets: {name!r} is no name; write a variable, or a variable, a dot and a key")
        source = form.dsn.get("password_from")
        if form.dsn and (source not in found or found[source].dsn):
            raise UserError(
                f"secrets.{name}.dsn.password_from: {source!r} is no generated secret{nearest(str(source), found)}"
            )
    return found


def _form(name: str, given: Mapping[str, Any]) -> Form:
    for key in given:
        if key not in _KEYS:
            raise UserError(f"secrets.{name}: unknown key {key!r}{nearest(key, _KEYS)}")
    form = Form(**{**given, "length": int(given.get("length", _LENGTH))})
    if form.form not in FORMS:
        raise UserError(f"secrets.{name}.form: {form.form!r} is none of {', '.join(FORMS)}{nearest(form.form, FORMS)}")
    if form.length < _SHORTEST:
        raise UserError(f"secrets.{name}.length: {form.length} characters can be guessed; take {_SHORTEST} or more")
    return form


def fill(
    text: str,
    forms: Mapping[str, Form],
    rotate: Iterable[str] = (),
    elsewhere: Collection[str] = (),
    values: Mapping[str, str] = MappingProxyType({}),
) -> VaultChange:
    """Add what is missing, renew what is named, and compose what depends on it.

    Args:
        elsewhere: Names that other files hold: to renew one of them is none of this file's business.
        values: What secrets that are missing have been so far, by name.

    Raises:
        UserError: A name to rotate is unknown or fixed, or a URL that depends on it was written by hand.
    """
    rotate = [_rotatable(n, forms) for n in rotate if _named(n, forms) or not _named(n, elsewhere)]
    before = vault_text.read(text)
    outcome = VaultChange(text or vault_text.HEADER)
    for name, form in forms.items():
        if form.dsn:
            continue
        if name not in before and name in values:
            _put(outcome, name, values[name], outcome.added)
            outcome.notes.append(
                f"{name} is as it stands in clear: take it out there, and renew it if others have read it"
            )
        elif name not in before:
            _put(outcome, name, form.generate(), outcome.added)
        elif name in rotate:
            _put(outcome, name, form.generate(), outcome.rotated)
            outcome.notes += [f"{name}: {form.after_rotation}"] if form.after_rotation else []
        elif not before[name].strip():
            outcome.notes.append(f"{name} is blank and was left so: give it a value, or take it out to have one made")
    for name, form in forms.items():
        if form.dsn:
            _compose(outcome, name, form, before)
    return outcome


def _named(asked: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if asked in (name, name.rpartition(".")[2])]


def _rotatable(asked: str, forms: Mapping[str, Form]) -> str:
    """The whole name of a secret that may be replaced; its last part is enough where it is the only such one."""
    found = _named(asked, forms)
    if not found:
        keys = {key for name in forms for key in (name, name.rpartition(".")[2])}
        raise UserError(f"rotate: {asked} is no secret of this inventory{nearest(asked, keys)}")
    if len(found) > 1:
        raise UserError(f"rotate: {asked} is several secrets: {', '.join(found)}; write the whole name of one")
    form = forms[found[0]]
    if form.dsn:
        raise UserError(f"rotate: {found[0]} is composed; rotate {form.dsn['password_from']} instead")
    if form.fixed:
        raise UserError(f"rotate: {found[0]} keeps its value: {form.fixed}")
    return found[0]


def _compose(outcome: VaultChange, name: str, form: Form, before: Mapping[str, str]) -> None:
    source = form.dsn["password_from"]
    if name not in before:
        _put(outcome, name, _url(form, vault_text.read(outcome.text)[source]), outcome.added)
    elif source in outcome.rotated:
        if before[name] != _url(form, before[source]):
            raise UserError(
                f"rotate: {name} is not composed from {source} as it stands, so it would keep the old password;"
                " take it out of the vault file, or change both by hand"
            )
        _put(outcome, name, _url(form, vault_text.read(outcome.text)[source]), outcome.rotated)


def _url(form: Form, password: str) -> str:
    parts = {key: value for key, value in form.dsn.items() if key != "password_from"}
    return dsn({**parts, "password": password})


def _put(outcome: VaultChange, name: str, value: str, record: list[str]) -> None:
    outcome.text = vault_text.put(outcome.text, name, value)
    record.append(name)
