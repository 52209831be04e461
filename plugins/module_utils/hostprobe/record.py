# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The release record held against what runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..docker.containers import Container
from ..errors import UserError
from ..results import GateResult, gate_result
from ..stack.directory import StackState, read_description
from ..stack.model import COLOURS, colour_project, data_project

ID, TITLE = "release.drift", "What runs is what was released"


@dataclass(frozen=True)
class Record:
    """What a stack's directory says of the release that serves."""

    release: str = ""
    colour: str = ""
    images: dict[str, str] = field(default_factory=dict)
    interrupted: str = ""
    build_logs: tuple[str, ...] = ()


def read_record(root: str, stack: str) -> Record | None:
    """The record of a stack; None where there is none, as in a deployment that something else made.

    Raises:
        UserError: A file of it cannot be read.
    """
    state = StackState(root, stack)
    try:
        if not state.recorded:
            return None
        journal, current = state.journal(), state.serving().current
        interrupted = journal.operation if journal else ""
        if not current:
            return Record(interrupted=interrupted)
        described = read_description(state.release_directory(current.release))
        log = state.build_log_of(current.release)
        return Record(
            release=current.release,
            colour=current.colour,
            images=described["images"] if described else {},
            interrupted=interrupted,
            build_logs=(str(log),) if log.is_file() else (),
        )
    except PermissionError:
        raise UserError(f"{state.directory} cannot be read: set become: true")


def projects_of(stack: str, record: Record | None) -> list[str]:
    """The Compose projects in which a stack runs."""
    if record is None:
        return [stack]
    return [data_project(stack), *([colour_project(stack, record.colour)] if record.colour else [])]


def judge_drift(
    stack: str,
    record: Record | None,
    found: Sequence[Container],
    others: Sequence[Container],
    edge: dict[str, Any] | None,
) -> GateResult:
    """Whether the containers, and the colour the edge sends visitors to, are those of the record."""
    if record is None:
        return gate_result(ID, TITLE, "skip", evidence=[f"there is no release record of {stack} on this host"])
    if not record.release:
        advice = ["deploy: the maintenance page answers until a release serves"]
        return gate_result(ID, TITLE, "fail", measured="no release serves", limit="a release", advice=advice)
    faults = []
    for container in found:
        released = record.images.get(container.service, container.image)
        if container.image != released:
            faults.append(f"{container.name} runs image {_short(container.image)}, released was {_short(released)}")
    if edge is not None and edge.get("serving") != record.colour:
        faults.append(
            f"the edge serves {edge.get('serving') or 'the maintenance page'}, the record says {record.colour}"
        )
    remarks = [f"a {record.interrupted} was interrupted, the next run ends or undoes it"] if record.interrupted else []
    remarks += [f"{c.name} of the other colour still runs" for c in others if c.running]
    return gate_result(
        ID,
        TITLE,
        "fail" if faults else "warn" if remarks else "pass",
        measured=f"{len(faults)} differences" if faults else f"{record.release} as {record.colour}",
        limit=f"{record.release} as {record.colour}",
        evidence=faults + remarks,
        advice=["deploy again: it brings what runs back to the description"] if faults or remarks else [],
    )


def other_colours(stack: str, record: Record | None) -> list[str]:
    return [colour_project(stack, colour) for colour in COLOURS if record and colour != record.colour]


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
