# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images of the release that serves, kept beside its data: a bare server comes back without a registry."""

from __future__ import annotations

from ..errors import StepError
from . import files, repository
from .engine import Image
from .images import name_on_server
from .origins import IMAGES, named
from .restic import Restic
from .run import Run
from .streams import draining


def save(run: Run, place: repository.Remote) -> dict[str, dict[str, str]]:
    """All of them as one archive; by service, its tag in there, and what the stack calls it, for the manifest.

    Raises:
        StepError, EngineError: They cannot be saved; the repository has kept nothing of them.
    """
    current = run.state.serving().current
    records = [r for r in run.state.records() if current and r.get("release") == current.release and r.get("images")]
    told = records[-1]["images"] if records else {}
    if not told:
        return {}
    images = {service: Image(i["id"], i["reference"]) for service, i in told.items()}
    kept = {s: {"tag": files.keep_tag(run, s, image), "reference": image.reference} for s, image in images.items()}
    writer = place.begin(IMAGES)
    try:
        with draining([writer.write]) as stream:
            run.engine.save(sorted(image["tag"] for image in kept.values()), stream)
        writer.commit()
    finally:
        writer.abort()
    return kept


def load(run: Run, wanted: str = "") -> str:
    """The engine has the images of a backup, the newest by default, under the names that a release looks for.

    Raises:
        StepError: There are none, or the engine does not take them.
    """
    if not run.settings.keeping.repository:
        raise StepError("there is no repository", advice="Set compose_stack_backup_repository.")
    restic = Restic(run.settings.keeping.repository, run.inherit)
    backups = {backup.name: backup for backup in repository.stored(restic, run.stack.name)}
    name = named(sorted(backups), wanted) if wanted else max(backups)
    manifest = repository.manifest_in(restic, backups[name])
    saved: dict[str, dict[str, str]] = manifest.get("saved", {})
    if not saved:
        raise StepError(
            f"{name} holds no images",
            advice="With compose_stack_backup_images: false they come from where releases get them.",
        )
    if not all(run.engine.image(told["tag"]) for told in saved.values()):
        with restic.reading(manifest["files"][IMAGES]["snapshot"], IMAGES) as stream:
            run.engine.load(stream)
    for service, told in saved.items():
        image = run.engine.image(told["tag"])
        if not image:
            raise StepError(f"the images of {name} were loaded, and {told['tag']} is not among them")
        run.engine.keep(image, name_on_server(run, service, told["reference"]))
    return name
