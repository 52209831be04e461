# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each variable of the files is filled in with: a value, a token for a secret, or nothing yet."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..secretvalues.names import foreign_secret, login_password, secret_name, secret_value
from ..secretvalues.tokens import token
from .findings import Findings
from .scan import Variable


@dataclass
class Variables:
    """Every variable of a project."""

    fill: dict[str, str] = field(default_factory=dict, repr=False)
    """What Compose is told, beside the project's own .env."""
    literals: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    """Secrets whose values stand in .env, or as defaults in the files, and where."""
    needed: dict[str, str] = field(default_factory=dict)
    """Secrets that nobody has given yet, and that can be made, and where they stand."""
    asked: list[str] = field(default_factory=list)
    """Secrets that nobody has given yet, and that only the user knows."""
    blank: list[str] = field(default_factory=list)
    """Others that nobody has set."""
    values: dict[str, str] = field(default_factory=dict, repr=False)
    """What is filled in for those that are no secrets."""
    uses: dict[str, list[Variable]] = field(default_factory=dict)
    """Where each of them stands."""
    table: list[dict[str, Any]] = field(default_factory=list)
    """By name: places, default, and whether it is a secret."""

    @property
    def line(self) -> str:
        """The setting that gives all unset ones a value."""
        return f"stack_compose_env: {{{', '.join(f'{name}: …' for name in self.blank)}}}"


def read_variables(
    scanned: Sequence[Variable],
    own: Mapping[str, str],
    env: Mapping[str, str],
    secrets: Collection[str],
    example: Mapping[str, str],
    findings: Findings,
) -> Variables:
    """What becomes of each.

    Args:
        own: What the project's .env says.
        env: stack_compose_env.
        secrets: Names of the secrets that there are.
        example: What the example of a .env that is not there says: to go on reading with.
    """
    found = Variables(fill=dict(env))
    places = found.uses
    for variable in scanned:
        places.setdefault(variable.name, []).append(variable)
    for name, uses in places.items():
        kept = _one(found, name, uses, own, env, secrets, findings)
        defaults = dict.fromkeys(u.default for u in uses if u.default is not None)
        shown = None if kept and any(defaults) else next(iter(defaults), None)
        found.table.append(
            {
                "name": name,
                "places": [u.place for u in uses],
                "default": shown,
                "secret": kept,
                "set": name in found.fill or name in own,
            }
        )
    _tell(found, places, example, findings)
    return found


def _one(
    found: Variables,
    name: str,
    uses: Sequence[Variable],
    own: Mapping[str, str],
    env: Mapping[str, str],
    secrets: Collection[str],
    findings: Findings,
) -> bool:
    """Put one variable where it belongs; the answer is whether it is a secret."""
    if name in env:
        found.values[name] = env[name]
        if secret_value(name, env[name]):
            findings.note(f"stack_compose_env.{name}", "stands in clear", f"stack_secrets: {{{name}: …}}")
        return False
    if name in secrets:
        found.fill[name] = token(name)
        return True
    default = next((u.default for u in uses if u.default), "") or ""
    value = own.get(name) or ("" if "$" in default else default)
    if secret_name(name) or login_password(value):
        if value and secret_value(name, value):
            found.fill[name] = token(name)
            found.literals[name] = (value, f"{name} in .env" if name in own else f"${{{name}}} ({uses[0].place})")
            return True
        if not value and not any(u.operator in ("-", ":-", "+", ":+") for u in uses) and name not in own:
            return _missing_secret(found, name, uses)
    if name in own:
        found.values[name] = own[name]
    elif all(u.operator in ("", "?", ":?") for u in uses):
        found.blank.append(name)
    else:
        found.values[name] = default
    return secret_name(name) and not value


def _missing_secret(found: Variables, name: str, uses: Sequence[Variable]) -> bool:
    if not foreign_secret(name):
        found.needed[name] = f"${{{name}}} ({uses[0].place})"
        found.fill[name] = token(name)
    elif any(u.required for u in uses):
        found.asked.append(name)
        found.fill[name] = token(name)
    else:
        # Blank, as Compose has it: most such are for a service that not everybody uses.
        found.asked.append(name)
    return True


def _tell(
    found: Variables, places: Mapping[str, Sequence[Variable]], example: Mapping[str, str], findings: Findings
) -> None:
    for name in found.asked:
        say = findings.decide if name in found.fill else findings.note
        blank = "" if name in found.fill else "; it is blank until then"
        text = f"is a secret that only you know{blank}"
        say(f"${{{name}}} ({places[name][0].place})", text, f"stack_secrets: {{{name}: …}}")
    wanted = {name: place for name in found.blank if (place := _wanted(places[name]))}
    if wanted:
        line = f"stack_compose_env: {{{', '.join(f'{name}: …' for name in wanted)}}}"
        findings.decide(", ".join(f"${{{n}}} ({place})" for n, place in wanted.items()), "without a value", line)
    for name in wanted:
        found.fill[name] = example.get(name) or stand_in(name, places[name])
    found.blank = [name for name in found.blank if name not in wanted]
    if found.blank:
        first = places[found.blank[0]][0].place
        names = ", ".join(f"${{{name}}}" for name in found.blank)
        findings.note(f"{names} ({first})", "not set, and so blank, as Compose has it", found.line)


def _wanted(uses: Sequence[Variable]) -> str:
    """Where a variable must not be blank, with what the file says of that; empty where it may be."""
    required = next((u for u in uses if u.required), None)
    if required:
        return f"{required.place}: {required.argument}" if required.argument else required.place
    return next((u.place for u in uses if u.kind != "variable"), "")


_BY_KEY = {
    **dict.fromkeys(("interval", "timeout", "start_period", "start_interval", "stop_grace_period"), "10s"),
    **dict.fromkeys(("read_only", "privileged", "init", "tty", "stdin_open", "disable", "external"), "false"),
    **dict.fromkeys(("retries", "pids", "pids_limit", "replicas", "scale", "max_attempts", "cpus"), "1"),
    **dict.fromkeys(("memory", "mem_limit", "mem_reservation", "shm_size", "size", "memswap_limit"), "512m"),
    **dict.fromkeys(("published", "target", "expose"), "8080"),
    **dict.fromkeys(("source", "device", "context"), "./unset"),
}


def stand_in(name: str, uses: Sequence[Variable] = ()) -> str:
    """A value to go on reading with, where the real one is asked for."""
    for use in uses:
        if use.key in _BY_KEY and use.kind != "variable":
            return _BY_KEY[use.key]
        if use.kind == "mount":
            return f"./unset-{name.lower()}"
    words = set(re.findall(r"[A-Z0-9]+", name.upper()))
    if words & {"PATH", "DIR", "LOCATION", "VOLUME", "FOLDER", "ROOT", "DATA"}:
        return f"./unset-{name.lower()}"
    if words & {"PORT", "PORTS"}:
        return "8080"
    if words & {"DOMAIN", "HOST", "HOSTNAME", "FQDN"}:
        return "unset.example.com"
    if words & {"VERSION", "TAG", "RELEASE"}:
        return "latest"
    return "unset"
