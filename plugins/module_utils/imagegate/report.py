# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image's measures and findings as plain data, the same for every source of images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..errors import UserError
from ..secretvalues.history import NamedSecret, named_secrets
from . import leftovers
from .advice import Advice, advise
from .history import (
    layer_instructions,
    multi_stage,
    runs_as_root,
    steps,
)
from .layer import LayerIndex
from .model import Image
from .survey import Survey, survey

_INSTRUCTION_SHOWN = 300


@dataclass
class ImageReport:
    """One image, measured. `survey` is None when its files were not looked at."""

    image: Image
    basis: str
    size: int
    instructions: list[str]
    secrets: list[NamedSecret]
    root: bool
    survey: Survey | None
    advice: list[Advice] = field(default_factory=list)


def measure(image: Image, basis: str, top: int = 10) -> ImageReport:
    """Measure an image on a basis, `unpacked` or `compressed`.

    Raises:
        UserError: The source does not know the size on that basis.
    """
    size = image.unpacked if basis == "unpacked" else image.compressed
    if size is None:
        raise UserError(
            f"basis: the {basis} size of {', '.join(image.tags) or image.id} cannot be told, since its layers"
            f" are not stored {basis} there; use the other basis"
        )
    indexes = [layer.index for layer in image.layers]
    known = [index for index in indexes if isinstance(index, LayerIndex)]
    found = survey(known, top) if len(known) == len(indexes) else None
    instructions = layer_instructions(steps(image.config, len(image.layers)), len(image.layers))
    return ImageReport(
        image=image,
        basis=basis,
        size=size,
        instructions=instructions,
        secrets=named_secrets(image.config),
        root=runs_as_root(image.config),
        survey=found,
        advice=advise(found, instructions, image.unpacked or 0) if found else [],
    )


def as_data(report: ImageReport) -> dict[str, Any]:
    """What the module returns of an image."""
    image, found = report.image, report.survey
    tools = found is not None and bool(found.leftovers.keys() & {"compiler", "dev-packages"})
    stages = multi_stage(steps(image.config, len(image.layers)), tools)
    return {
        "id": image.id,
        "tags": image.tags,
        "platform": image.platform,
        "basis": report.basis,
        "size": report.size,
        "size_unpacked": image.unpacked,
        "size_compressed": image.compressed,
        "layers": [_layer(report, rank) for rank in range(len(image.layers))],
        "secrets": [secret._asdict() for secret in report.secrets],
        "root": report.root,
        "multi_stage": stages._asdict(),
        "analysed": found is not None,
        "advice": [dict(item) for item in report.advice],
        **(_findings(found, image.unpacked or 0) if found else {}),
    }


def _layer(report: ImageReport, rank: int) -> dict[str, Any]:
    layer = report.image.layers[rank]
    return {
        "layer": rank + 1,
        "size": layer.size,
        "compressed": layer.compressed,
        "files": layer.index.files if layer.index else None,
        "wasted": report.survey.wasted_by_layer.get(rank, 0) if report.survey else None,
        "instruction": report.instructions[rank][:_INSTRUCTION_SHOWN],
    }


def _findings(found: Survey, unpacked: int) -> dict[str, Any]:
    return {
        "files": found.files,
        "wasted": {
            "bytes": found.wasted,
            "percent": round(100 * found.wasted / unpacked, 2) if unpacked else 0.0,
            "all_versions": found.versions,
            "largest": [
                {"path": path, "size": size, "layer": rank + 1, "hidden_by": hider + 1, "why": why}
                for size, (path, rank, hider, why) in found.largest_wasted
            ],
        },
        "largest_files": [
            {"path": path, "size": size, "layer": rank + 1} for size, (path, rank) in found.largest_files
        ],
        "largest_directories": [{"path": path, "size": size} for size, path in found.largest_directories],
        "leftovers": [
            {
                "kind": id,
                "title": leftovers.BY_ID[id].title,
                "bytes": item.bytes,
                "files": item.files,
                "layers": sorted(rank + 1 for rank in item.layers),
            }
            for id, item in sorted(found.leftovers.items(), key=lambda pair: -pair[1].bytes)
        ],
        "duplicates": {
            "bytes": found.duplicate_bytes,
            "largest": [
                {
                    "size": item.size,
                    "copies": item.copies,
                    "paths": item.paths,
                    "layers": [rank + 1 for rank in item.layers],
                }
                for item in found.duplicates
            ],
        },
    }
