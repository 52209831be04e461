# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every step of a release works with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..errors import EdgeError, EngineError, UserError
from ..errors import StepError as StepError
from ..results import GateResult
from ..secretvalues.terminal import fit_for_terminal
from ..secretvalues.values import redact
from ..stack import Stack
from ..stack.directory import Deployed, StackState
from .edge import Edge
from .engine import Engine, Foreign, Project
from .keeping import Keeping

Level = str
LEVELS: tuple[Level, ...] = ("fail", "warn", "off")
LOG_LINES = 30


@dataclass(frozen=True)
class Settings:
    """What a user may set about releases, apart from the stack itself."""

    edge_network: str = ""
    keep_releases: int = 5
    minimum_free: int = 1_000_000_000
    dump_before_migration: bool = True
    keep_backups: int = 7
    keep_backup_days: float = 30
    data_secrets_rotated: bool = False
    hadolint: str = "hadolint"
    keeping: Keeping = field(default_factory=Keeping)
    levels: dict[str, Level] = field(default_factory=dict)
    by: str = ""
    commit: str = ""
    adopts: str = ""
    """The Compose project whose place a first release takes."""

    def level(self, gate: str) -> Level:
        return self.levels.get(gate, "fail")


@dataclass
class Run:
    """One run of the engine room: its inputs, its tools, and what it has found so far."""

    stack: Stack
    description: dict[str, Any]
    secrets: dict[str, str]
    settings: Settings
    state: StackState
    engine: Engine
    edge: Edge
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    gates: list[GateResult] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    foreign: Foreign | None = None
    note_step: Callable[[str], None] = lambda name: None
    """Tells whoever waits what the run is at."""
    elsewhere: str = ""
    """Why the stack's data cannot be used from this node; empty where it can."""
    inherit: tuple[int, ...] = ()
    """Descriptors that commands take along: the lock stays with one that outlives its run."""

    @property
    def data_project(self) -> Project:
        return Project(self.stack.data_project, self.state.data)

    def project(self, deployed: Deployed) -> Project:
        name = self.stack.project(deployed.colour)
        return Project(name, self.state.release_directory(deployed.release), deployed.colour)

    def redact(self, text: str) -> str:
        """What containers, builds and the engine said, as a person may see it."""
        return fit_for_terminal(redact(text, self.secrets.values()))

    @contextmanager
    def step(self, name: str, of: str = "") -> Iterator[None]:
        """Times a step, and gives its name to whatever goes wrong in it; `of` says more for who waits."""
        begin = self.clock()
        self.note_step(f"{name} {of}".strip())
        try:
            with self.named(name):
                yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0) + self.clock() - begin, 3)

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """Whatever goes wrong within leaves as a step's error, of that name unless it has one: none passes an undo."""
        try:
            yield
        except StepError as error:
            error.step = error.step or name
            raise
        except (EngineError, EdgeError, UserError, OSError) as error:
            failure = StepError(str(error))
            failure.step = name
            raise failure from error
        except Exception as error:
            # Whatever it is, what was begun has to be undone.
            failure = StepError(f"unexpected {type(error).__name__}: {error}")
            failure.step = name
            raise failure from error
