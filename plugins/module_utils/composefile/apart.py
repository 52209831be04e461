# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A project's secrets, kept apart from the description: those of the vault, and those that stand in its files."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ..secretvalues.names import foreign_secret, login_password, secret_value
from ..secretvalues.tokens import TOKEN, token
from ..secretvalues.values import is_placeholder
from .findings import Findings
from .names import identifier

_LOGIN = re.compile(r"PASS|PWD|PW", re.IGNORECASE)


@dataclass
class Apart:
    """The secrets of one project."""

    given: Container[str]
    """Keys of stack_secrets: they come before what the files say."""
    findings: Findings
    literals: dict[str, str] = field(default_factory=dict, repr=False)
    """What the project's own files say of a secret, placeholders and those that are given included."""
    places: dict[str, str] = field(default_factory=dict)
    """Where each of them stands."""
    composed: dict[str, str] = field(default_factory=dict)
    """Secrets that are texts around others, with tokens in their places."""
    needed: dict[str, str] = field(default_factory=dict)
    """Secrets that nobody has given yet, and that can be made, and where they stand."""
    asked: list[str] = field(default_factory=list)
    """Secrets that nobody has given yet, and that only the user knows."""
    clear: dict[str, str] = field(default_factory=dict, repr=False)
    """Secrets that are taken from the project's files."""
    plain: set[str] = field(default_factory=set)
    """What variables hold that are no secrets: whoever knows the app knows these."""

    def environment(self, service: str, values: Mapping[str, str | None]) -> tuple[dict[str, str], list[Any]]:
        """A service's variables, and its secrets in the description's form."""
        env: dict[str, str] = {}
        secrets: list[Any] = []
        for variable, value in values.items():
            if value is None:
                continue
            name = self._of(service, variable, value)
            if not name:
                # The description's own spelling of a text that is not to be filled in.
                env[variable] = value.replace("${", "$${")
            else:
                secrets.append(name if name == variable else {"name": name, "env": variable})
        return env, secrets

    def note(self, name: str, value: str, place: str) -> None:
        """A secret that stands in the project's files."""
        self.literals[name] = value
        self.places[name] = place

    def want(self, name: str, place: str) -> None:
        """A secret of which the files say nothing but that there is one."""
        self.needed.setdefault(name, place)

    def settle(self) -> None:
        """After the last service: what is one secret under several names, and what has no value yet."""
        by_value: dict[str, str] = {}
        for name in sorted(self.literals, key=lambda n: n not in self.given):
            value = self.literals[name]
            first = by_value.get(value) if _LOGIN.search(name) else None
            if first and name not in self.given:
                self.composed[name] = token(first)
            elif _LOGIN.search(name):
                by_value[value] = name
        for name, value in self.literals.items():
            if name not in self.composed and name not in self.given:
                self._settle(name, value, by_value)

    def _settle(self, name: str, value: str, by_value: Mapping[str, str]) -> None:
        password = login_password(value)
        owner = next((n for v, n in by_value.items() if password and password in (v, quote(v, safe=""))), "")
        place = self.places[name]
        if owner and owner != name:
            self.composed[name] = value.replace(f":{password}@", f":{token(owner)}@")
        elif is_placeholder(password or value):
            if password or foreign_secret(name):
                self.asked.append(name)
                self.findings.decide(place, "stands there as a placeholder", f"stack_secrets: {{{name}: …}}")
            else:
                self.needed[name] = f"{place} (a placeholder)"
        elif value in self.plain and _LOGIN.search(name):
            # Searched for, it would be found wherever the app's own name stands.
            self.needed[name] = f"{place} (no secret: a variable beside it has the same value)"
        else:
            self.clear[name] = value
            self.findings.note(
                place,
                "this secret stands in clear in the project's files; it is kept apart from here on",
                f"stack_secrets: {{{name}: …}} and take it out there, to have it in the vault alone",
            )

    def _of(self, service: str, variable: str, value: str) -> str:
        """The secret that a variable takes; empty where it is none."""
        whole = TOKEN.fullmatch(value)
        if whole:
            return whole[1]
        name = identifier(variable)
        place = f"services.{service}.environment.{variable}"
        if name in self.given:
            self.note(name, value, place)
            return name
        if TOKEN.search(value):
            return self._named(service, variable, value, self.composed, place)
        if not secret_value(variable, value):
            self.plain.add(value)
            return ""
        return self._named(service, variable, value, self.literals, place)

    def _named(self, service: str, variable: str, value: str, room: dict[str, str], place: str) -> str:
        """A secret's name of its own: that of the variable, with the service's before it where another has that."""
        if identifier(variable) in self.needed:
            return identifier(variable)
        other = self.literals if room is self.composed else self.composed
        name, count = identifier(variable), 0
        while name in other or name in self.given or room.get(name, value) != value:
            count += 1
            name = identifier(f"{service}_{variable}{count if count > 1 else ''}").upper()
        room[name] = value
        self.places.setdefault(name, place)
        return name


def tell_needed(needed: Mapping[str, str], findings: Findings) -> None:
    """Secrets that are still to be made, in one finding: one command makes them all."""
    if needed:
        names = ", ".join(f"{name}: …" for name in needed)
        line = f"run playbooks/secrets.yml (make secrets), or stack_secrets: {{{names}}}"
        findings.decide("; ".join(needed.values()), "secrets without a value yet", line)
