# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A project in a directory, read from its files to the description."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .apart import tell_needed
from .asked import Asked
from .checks import readable_corrections
from .cli import Compose
from .findings import Findings
from .mounts import Tree
from .reading import Reading, read_project
from .report import as_data, as_table
from .resolve import Given, Resolved, resolve


@dataclass(frozen=True)
class Settings:
    """What the settings say of a project."""

    directory: Path
    """Where its Compose files lie, in a copy."""
    root: Path
    """The checkout, which holds that directory."""
    data: str
    """The directory of the server for the project's data directories."""
    copies: str = ""
    """The directory in which copies of projects lie, several levels above this one."""
    files: Sequence[str] = ()
    profiles: Sequence[str] = ()
    name: str = ""
    """Compose's project name, which is a part of the names of its volumes."""
    domain: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[str] = ()
    """Names of the secrets that there are."""
    routes: Sequence[Mapping[str, Any]] | None = None
    corrections: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Read:
    """A project's reading, and what Compose made of its files."""

    reading: Reading
    resolved: Resolved

    def data(self) -> dict[str, Any]:
        """For JSON, with the table for people."""
        return {
            **as_data(self.reading, self.resolved.variables),
            "project": (self.resolved.compose or {}).get("name", ""),
            "files": list(self.resolved.files),
            "table": as_table(self.reading, self.resolved.variables),
        }


def read(settings: Settings, compose: Compose) -> Read:
    """Everything that a project's files say, and all that they lack."""
    findings = Findings()
    corrections = readable_corrections(settings.corrections, findings)
    given = Given(
        directory=settings.directory,
        files=settings.files,
        profiles=settings.profiles,
        project=settings.name,
        env=settings.env,
        secrets=settings.secrets,
    )
    resolved = resolve(given, compose, findings)
    if resolved.compose is None:
        tell_needed(resolved.variables.needed, findings)
        return Read(Reading((), (), findings, {}, {}), resolved)
    builds = [(s.get("build") or {}).get("context") for s in (resolved.compose.get("services") or {}).values()]
    tree = Tree(
        root=str(settings.root),
        directory=str(settings.directory),
        data=settings.data,
        copies=settings.copies,
        contexts=frozenset(os.path.normpath(c) for c in builds if c),
    )
    asked = Asked(
        tree=tree,
        secrets=settings.secrets,
        domain=settings.domain,
        routes=settings.routes,
        corrections=corrections,
        variables=resolved.variables,
        left_out=resolved.left_out,
    )
    return Read(read_project(resolved.compose, asked, findings), resolved)


def project_name(directory: str) -> str:
    """The name that Compose gives a project by its directory."""
    return re.sub(r"[^a-z0-9_-]", "", os.path.basename(directory).lower()).lstrip("_-") or "project"


def read_files(files: Sequence[Path], root: Path) -> dict[str, Any]:
    """A project as the tools read it: no routes, no secrets, no settings."""
    directory = files[0].parent
    settings = Settings(
        directory=directory,
        root=root,
        data=f"/var/lib/sluice/stacks/{project_name(str(directory))}/binds",
        files=[os.path.relpath(f, directory) for f in files],
        domain="example.com",
    )
    return read(settings, Compose()).data()
