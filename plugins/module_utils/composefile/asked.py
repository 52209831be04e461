# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked of a reading, and what it answers of one service."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .kinds import Decided
from .mounts import Tree
from .profiles import LeftOut
from .variables import Variables


@dataclass(frozen=True)
class Asked:
    """What the settings say of a project."""

    tree: Tree
    secrets: Container[str] = ()
    """Names of the secrets that there are."""
    domain: str = ""
    routes: Sequence[Mapping[str, Any]] | None = None
    """None where labels of a proxy may say it."""
    corrections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variables: Variables = field(default_factory=Variables)
    left_out: LeftOut = field(default_factory=LeftOut)


@dataclass(frozen=True)
class ReadService:
    """How one service was read."""

    name: str
    """Compose's."""
    key: str
    """Its name in the description."""
    decided: Decided
    form: Mapping[str, Any]
    """Its part of `stack_services`; empty for one that is not started."""
