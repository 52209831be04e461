# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A project's files resolved by Compose, with a token for each secret and every want of theirs put down at once."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import EngineError
from ..files import write_whole
from ..secretvalues.values import dotenv_quote
from .cli import Compose
from .findings import Findings
from .profiles import LeftOut, left_out_of
from .scan import variables
from .sources import compose_files, env_profiles, example_of, text_of, texts
from .variables import Variables, read_variables, stand_in

_NO_ENV_FILE = re.compile(r"env file (\S+) not found")
_REQUIRED = re.compile(r"required variable (\S+) is missing a value")
_UNDEFINED = re.compile(r'service "([^"]+)" depends on undefined service "?([^":]+)"?')
_PROFILES = re.compile(r"\bprofiles\s*:")
_UNSET = "%UNSET%"
_TRIES = 60


@dataclass(frozen=True)
class Given:
    """What the settings say of the files."""

    directory: Path
    """The project's own, in a copy."""
    files: Sequence[str] = ()
    profiles: Sequence[str] = ()
    project: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    """stack_compose_env."""
    secrets: Sequence[str] = ()
    """Names of the secrets that there are."""


@dataclass(frozen=True)
class Resolved:
    """A project as Compose resolves it."""

    compose: Mapping[str, Any] | None = field(repr=False)
    """None where Compose refuses the files; a finding says why."""
    variables: Variables
    files: tuple[str, ...] = ()
    left_out: LeftOut = field(default_factory=LeftOut)


def resolve(given: Given, compose: Compose, findings: Findings) -> Resolved:
    """What the files say; all that they lack is among the findings."""
    files = compose_files(given.directory, given.files, findings)
    raw = texts(given.directory, files)
    scanned = variables(raw)
    if not files:
        return Resolved(None, Variables())
    with tempfile.TemporaryDirectory(prefix="sluice-compose-") as scratch:
        work = _Work(given, compose, findings, files, Path(scratch))
        left_out = LeftOut()
        try:
            names = {v.name for v in scanned}
            own, example = work.values(names), work.example(names)
            found = read_variables(scanned, own, given.env, given.secrets, example, findings)
            answer = work.resolve(found)
            if any(_PROFILES.search(text) for text in raw.values()):
                left_out = left_out_of(answer, work.resolve(found, ["*"]), work.profiles)
                _tell_left_out(answer, left_out, findings)
            return Resolved(answer, found, tuple(raw), left_out)
        except EngineError as error:
            findings.refuse(", ".join(files), _said(str(error), given.directory))
            return Resolved(None, Variables(), tuple(raw))
        finally:
            work.clean()


def _tell_left_out(answer: Mapping[str, Any], left_out: LeftOut, findings: Findings) -> None:
    """Services of profiles that are not asked for are told."""
    if not left_out.services:
        return
    line = f"{left_out.line()}, or those of them that are wanted, in stack_compose"
    text = f"{', '.join(left_out.services)} are of profiles that are not asked for"
    if answer.get("services"):
        findings.note("profiles", text, line)
    else:
        findings.decide("profiles", f"{text}, and nothing else is there", line)


@dataclass
class _Work:
    given: Given
    compose: Compose
    findings: Findings
    files: list[str]
    scratch: Path
    made: list[Path] = field(default_factory=list)
    outside: list[Path] = field(default_factory=list)
    """Env files that are not there, of places that are not the project's."""

    @property
    def profiles(self) -> list[str]:
        return [*self.given.profiles, *env_profiles(self.given.directory)]

    def values(self, names: set[str]) -> dict[str, str]:
        """What Compose fills in for each variable by the project's own .env; only those that are set."""
        return self._ask(names, self.given.directory / ".env")

    def example(self, names: set[str]) -> dict[str, str]:
        """What the example says where there is no .env: none of it counts, but the rest can be read with it."""
        own = self.given.directory / ".env"
        found = None if own.exists() else example_of(own)
        try:
            return self._ask(names, found) if found else {}
        except EngineError:
            return {}

    def _ask(self, names: set[str], path: Path) -> dict[str, str]:
        if not names or not path.is_file():
            return {}
        lines = "".join(f'      {name}: "${{{name}-{_UNSET}}}"\n' for name in sorted(names))
        text = f"services:\n  ask:\n    image: ask\n    environment:\n{lines}"
        answer = self.compose.config(str(self.given.directory), ["-"], [str(path)], project="ask", text=text)
        return {k: v for k, v in answer["services"]["ask"]["environment"].items() if v is not None and v != _UNSET}

    def resolve(self, found: Variables, profiles: Sequence[str] = ()) -> dict[str, Any]:
        """The project, after as many tries as it wants of things that can be stood in for."""
        fill, blank = dict(found.fill), ""
        for _ in range(_TRIES):
            try:
                answer = self._once(fill, profiles)
                if blank:
                    self.findings.decide(", ".join(self.files), _said(blank, self.given.directory), found.line)
                return answer
            except EngineError as error:
                text = str(error)
                if missing := _NO_ENV_FILE.search(text):
                    self._env_file(Path(missing[1]))
                elif (required := _REQUIRED.search(text)) and required[1] not in fill:
                    name = required[1].rstrip(":")
                    self.findings.decide(f"${{{name}}}", "has no value", f"stack_compose_env: {{{name}: …}}")
                    fill[name] = stand_in(name)
                elif found.blank and not blank:
                    # What is blank may be what Compose cannot read: a port, an image.
                    blank = text
                    fill |= {name: stand_in(name, found.uses[name]) for name in found.blank}
                else:
                    raise EngineError(self._with_advice(text, fill))
        raise EngineError("more env files are missing than can be told at once")

    def _once(self, fill: Mapping[str, str], profiles: Sequence[str] = ()) -> dict[str, Any]:
        path = self.scratch / "variables"
        write_whole(path, "".join(f"{name}={dotenv_quote(value)}\n" for name, value in fill.items()))
        own = self.given.directory / ".env"
        env_files = [*([str(own)] if own.is_file() and own not in self.made else []), str(path)]
        files = [str(self.given.directory / name) for name in self.files]
        if self.outside:
            files.append(self._without_outside(self.compose.services(str(self.given.directory), files, env_files)))
        return self.compose.config(
            str(self.given.directory),
            files,
            env_files,
            project=self.given.project,
            profiles=profiles or self.profiles,
        )

    def _without_outside(self, services: Sequence[str]) -> str:
        """A further Compose file by which the env files of other places may be missing."""
        path = self.scratch / "outside.yml"
        shown = [os.path.relpath(p, self.given.directory) for p in self.outside]
        # Compose holds an entry for the same only where it is written the same.
        optional = [{"path": p, "required": False} for p in (*map(str, self.outside), *shown)]
        write_whole(path, json.dumps({"services": {name: {"env_file": optional} for name in services}}))
        return str(path)

    def _env_file(self, path: Path) -> None:
        """An env file that is not there, stood in for by its example where it is the project's own."""
        if path.exists() or path in self.outside:
            raise EngineError(f"env file {path} not found")
        if not path.resolve().is_relative_to(self.given.directory.resolve()):
            self._decide_outside(path)
            self.outside.append(path)
            return
        example = example_of(path)
        shown = os.path.relpath(path, self.given.directory)
        advice = f"copy {example.name} to it and fill it in" if example else "the file, as the project's own guide says"
        self.findings.decide(f"env_file {shown}", "is not in the project", advice)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, example.read_bytes() if example else b"")
        self.made.append(path)

    def _decide_outside(self, path: Path) -> None:
        shown = os.path.relpath(path, self.given.directory)
        if any(shown in text_of(self.given.directory / name) for name in self.files):
            self.findings.decide(
                f"env_file {shown}",
                "leads out of the project, and nothing from there is carried",
                "in stack_compose the directory or repository that holds it as well, and path: of the Compose files",
            )
        else:
            self.findings.decide(
                f"env_file {path}",
                "is neither in the project nor on the machine that reads it",
                f"the file at that place of the server, or env_file: {path.name} in the project",
            )

    def clean(self) -> None:
        """What stood in for a file is gone again."""
        for path in self.made:
            path.unlink(missing_ok=True)

    def _with_advice(self, text: str, fill: Mapping[str, str]) -> str:
        undefined = _UNDEFINED.search(text)
        if not undefined:
            return text
        try:
            left_out = left_out_of({}, self._once(fill, ["*"]), self.profiles)
        except EngineError:
            left_out = LeftOut()
        if why := left_out.why(undefined[2]):
            return f"{text}: {why}; add to stack_compose: {left_out.line(undefined[2])}"
        return f"{text}: is it of a file that is not in stack_compose.files"


def _said(text: str, directory: Path) -> str:
    """Compose's own words, with paths as the project has them."""
    lines = [line.strip() for line in text.replace(f"{directory}/", "").strip().splitlines() if line.strip()]
    return "Docker Compose says: " + "; ".join(lines[-6:]).rstrip(".")
