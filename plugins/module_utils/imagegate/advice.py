# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would make an image smaller: ranked by the bytes saved, each with the change to the Dockerfile."""

from __future__ import annotations

from collections import defaultdict
from typing import TypedDict

from ..sizes import format_size
from . import leftovers
from .overlay import COPIED, DELETED
from .survey import Survey

# Advice below this share of the image, and below this size, is not worth a reader's time.
_FLOOR_SHARE, _FLOOR = 100, 1_000_000
_SHOWN = 60


class Advice(TypedDict):
    """A change that saves bytes. `layer` counts from 1; None when it concerns several."""

    saves: int
    kind: str
    layer: int | None
    finding: str
    change: str


def advise(survey: Survey, instructions: list[str], size: int) -> list[Advice]:
    """The changes worth making, the one that saves most first."""
    all_advice = _about_leftovers(survey, instructions) + _about_waste(survey, instructions)
    all_advice += _about_duplicates(survey)
    floor = min(size // _FLOOR_SHARE, _FLOOR)
    worth = [item for item in all_advice if item["saves"] > 0 and item["saves"] >= floor]
    return sorted(worth, key=lambda item: (-item["saves"], item["kind"]))


def line(advice: Advice) -> str:
    """The advice as one line of a report."""
    return f"saves {format_size(advice['saves'])}: {advice['finding']}; {advice['change']}"


def _layer(rank: int, instructions: list[str]) -> str:
    text = instructions[rank]
    if not text:
        return f"layer {rank + 1}"
    return f"layer {rank + 1} ({text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''})"


def _about_leftovers(survey: Survey, instructions: list[str]) -> list[Advice]:
    result = []
    for id, found in survey.leftovers.items():
        kind = leftovers.BY_ID[id]
        rank = max(found.layers, key=lambda layer: found.layers[layer])
        where = _layer(rank, instructions) + (f" and {len(found.layers) - 1} more" if len(found.layers) > 1 else "")
        finding = f"{where} holds {kind.title}, {found.files} files"
        result.append(Advice(saves=found.bytes, kind=id, layer=rank + 1, finding=finding, change=kind.change))
    return result


def _about_waste(survey: Survey, instructions: list[str]) -> list[Advice]:
    by_layer: dict[tuple[int, str], int] = defaultdict(int)
    sources: dict[tuple[int, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for (rank, hider, why), size in survey.causes.items():
        by_layer[(hider, why)] += size
        sources[(hider, why)][rank] += size
    result = []
    for (hider, why), size in by_layer.items():
        source = max(sources[(hider, why)], key=lambda rank: sources[(hider, why)][rank])
        verb, change = _remedy(why, instructions[hider])
        origin = _layer(source, instructions)
        finding = f"{_layer(hider, instructions)} {verb} files of {origin}, which stay in the image"
        result.append(Advice(saves=size, kind=why, layer=hider + 1, finding=finding, change=change))
    return result


def _remedy(why: str, instruction: str) -> tuple[str, str]:
    if why == DELETED:
        return "deletes", (
            "delete them in the instruction that makes them, mount them (RUN --mount=type=bind or cache),"
            " or make them in an earlier stage"
        )
    if why == COPIED or "chown" in instruction or "chmod" in instruction:
        return "copies", "set owner and mode where the files are added: COPY --chown=… --chmod=…"
    return "overwrites", "write them once: join the two instructions, or leave them out of the first"


def _about_duplicates(survey: Survey) -> list[Advice]:
    if not survey.duplicates:
        return []
    worst = survey.duplicates[0]
    finding = (
        f"the same content lies under several paths, most of all {worst.paths[0]}"
        f" ({worst.copies} times {format_size(worst.size)})"
    )
    change = "keep one copy and link the others, or copy only one of the places into the last stage"
    return [Advice(saves=survey.duplicate_bytes, kind="duplicates", layer=None, finding=finding, change=change)]
