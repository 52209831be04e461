# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images of the controller's engine, packed without the layers that a server has."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..module_utils.commands import run
from ..module_utils.docker.layers import ALIKE
from ..module_utils.errors import UserError

_TIMEOUT = 3600.0


def inspect(reference: str) -> dict[str, Any]:
    """What a server has to know of an image to tell how much of it is there.

    Raises:
        UserError: The controller has no such image, or no engine.
    """
    done = run(["docker", "image", "inspect", reference])
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"{reference} cannot be had from the controller's engine: {said}; build or pull it there first")
    told = json.loads(done.stdout)[0]
    return {"reference": reference, **{key: told.get(key) for key in ALIKE}}


def save(references: Sequence[str], target: Path) -> None:
    """What the engine itself packs.

    Raises:
        UserError: It does not.
    """
    done = run(["docker", "save", "--output", str(target), *references], _TIMEOUT)
    if done.returncode:
        raise UserError(f"docker save {' '.join(references)}: {done.stderr.strip()}")


def pack(saved: Path, known: Mapping[str, int], target: Path) -> int:
    """The archive without what is there already, compressed.

    Args:
        saved: An archive as `docker save` writes it.
        known: By reference, how many of its lowest layers the server has.

    Returns:
        The size in bytes.
    """
    with tarfile.open(saved) as archive:
        described = archive.extractfile("manifest.json")
        if not described:
            raise UserError(f"{saved.name} is no archive of images: its manifest.json is no file")
        spared: set[str] = set()
        needed: set[str] = set()
        for image in json.load(described):
            count = min((known.get(tag, 0) for tag in image["RepoTags"] or ()), default=0)
            spared.update(image["Layers"][:count])
            needed.update(image["Layers"][count:])
        with gzip.open(target, "wb", 1) as packed, tarfile.open(fileobj=packed, mode="w|") as out:
            for part in archive:
                if part.name not in spared - needed:
                    out.addfile(part, archive.extractfile(part) if part.isreg() else None)
    return target.stat().st_size
