# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image's history laid against its layers: which instruction made which."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ..secretvalues.history import redacted

_NOP, _SHELL = "/bin/sh -c #(nop)", "/bin/sh -c "
_ABSOLUTE_COPY = re.compile(r"(?:COPY|ADD)(?: --\S+)* /\S+ ")


class Step(NamedTuple):
    """A line of the history, free of secret values; `layer` is the rank of the layer that it made."""

    instruction: str
    layer: int | None


def steps(config: dict[str, Any], layers: int) -> list[Step]:
    """The history, oldest first, each step with the layer that it made.

    Where the counts differ (squashed, imported or stripped images) no step is tied to a layer.
    """
    history = [entry for entry in config.get("history") or [] if isinstance(entry, dict)]
    told = sum(not entry.get("empty_layer") for entry in history) == layers
    result, rank = [], 0
    for entry in history:
        makes = told and not entry.get("empty_layer")
        result.append(Step(instruction(str(entry.get("created_by") or "")), rank if makes else None))
        rank += makes
    return result


def layer_instructions(history: list[Step], layers: int) -> list[str]:
    """The instruction of each layer; empty where the history does not tell."""
    by_rank = {step.layer: step.instruction for step in history if step.layer is not None}
    return [by_rank.get(rank, "") for rank in range(layers)]


def instruction(created_by: str) -> str:
    """A history line much as the Dockerfile had it, with what looks like a secret's value masked."""
    text = created_by.strip()
    if text.startswith(_NOP):
        text = text[len(_NOP) :]
    elif text.startswith((_SHELL, "|")):
        text = "RUN " + text
    text = text.replace("RUN " + _SHELL, "RUN ", 1).strip().removesuffix("# buildkit")
    return " ".join(redacted(text).split())


def runs_as_root(config: dict[str, Any]) -> bool:
    """Whether a container of the image runs as root unless told otherwise."""
    user = str((config.get("config") or {}).get("User") or "").partition(":")[0]
    return user in ("", "root") or (user.isdigit() and int(user) == 0)


class Stages(NamedTuple):
    """Whether an image looks like the last stage of several: likely, unlikely or unknown, and why."""

    verdict: str
    because: str


def multi_stage(history: list[Step], build_tools: bool) -> Stages:
    """A judgement, since engines do not record `COPY --from`."""
    copy = next((step.instruction for step in history if _ABSOLUTE_COPY.match(step.instruction)), None)
    if copy is not None:
        return Stages("likely", f"{copy[:80]!r} copies from an absolute path, as COPY --from does")
    if build_tools:
        return Stages("unlikely", "build tools are in the image, and nothing is copied from another stage")
    return Stages("unknown", "the history does not tell")
