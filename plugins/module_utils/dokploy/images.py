# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The images that a deployment runs: how large they are, and whether their configuration holds secrets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import DokployError
from ..results import GateResult, gate_result
from ..sizes import format_size, parse_size
from .client import Client
from .logscan import scan_logs

_SECRETS_ADVICE = (
    "rotate what leaked: whoever has the image has it",
    "pass it when the service starts, or as a build secret, instead of by ENV, ARG or LABEL",
)
_SIZE_ADVICE = ("build in stages and copy only what runs into the last one",)


@dataclass(frozen=True)
class RunningImage:
    """An image that a service runs.

    Attributes:
        size: Unpacked, in bytes; None where the server does not tell.
        configuration: As a text, its variables, labels and commands.
    """

    service: str
    name: str
    size: int | None = None
    configuration: str = ""


def running_images(
    client: Client, stored: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]
) -> tuple[list[RunningImage], str]:
    """The images of these containers, one a service, and why they are not told, where they are not.

    A server before v0.30 knows no images.
    """
    place = {"serverId": stored["serverId"]} if stored.get("serverId") else {}
    found: dict[str, RunningImage] = {}
    told: dict[str, dict[str, Any]] = {}
    try:
        for row in rows:
            container = _mapping(client.get("docker.getConfig", containerId=row["containerId"], **place))
            config = _mapping(container.get("Config"))
            service = str(_mapping(config.get("Labels")).get("com.docker.compose.service") or row.get("name"))
            # By its id: the name may lead to a newer image by now.
            image = str(container.get("Image") or config.get("Image") or "")
            if not image:
                # It ended meanwhile.
                continue
            if image not in told:
                told[image] = _mapping(client.get("dockerImage.getImageConfig", imageRef=image, **place))
            size, configuration = told[image].get("Size"), _mapping(told[image].get("Config"))
            found[service] = RunningImage(
                service,
                str(config.get("Image") or image),
                size if isinstance(size, int) else None,
                json.dumps(configuration, indent=0) if configuration else "",
            )
    except DokployError as error:
        return [], str(error)
    return list(found.values()), ""


def judge_images(
    images: Iterable[RunningImage],
    limits: Mapping[str, str],
    most: str,
    secrets: Mapping[str, str],
    *,
    untold: str = "",
) -> list[GateResult]:
    """A result for each image that has a limit, and one for what all of them say.

    Args:
        images: What runs.
        limits: Sizes by service, as people write them; an empty one is none.
        most: The limit of services that `limits` does not name.
        secrets: The deployment's own, by name.
        untold: Why the images are not known.

    Raises:
        UserError: A limit is not a size.
    """
    allowed = {name: parse_size(size, f"max_image_sizes.{name}") for name, size in limits.items() if size}
    default = parse_size(most, "max_image_size") if most else None
    images = list(images)
    if not images:
        reason = [untold or "no container runs"]
        return [gate_result("dokploy.images", "The images are as they may be", "skip", evidence=reason)]
    results = [
        _size(image, limit)
        for image in images
        if (limit := allowed.get(image.service, None if image.service in limits else default)) is not None
    ]
    texts = {f"of {image.service}'s image": image.configuration for image in images}
    title = "The images' variables and labels hold no secret"
    return [*results, scan_logs(texts, secrets, id="dokploy.image_secrets", title=title, advice=_SECRETS_ADVICE)[0]]


def _size(image: RunningImage, limit: int) -> GateResult:
    title, shown = f"Size of {image.service}'s image", format_size(limit)
    name = f"dokploy.image_size.{image.service}"
    if image.size is None:
        return gate_result(name, title, "skip", limit=shown, evidence=[f"the server tells no size of {image.name}"])
    good = image.size <= limit
    return gate_result(
        name,
        title,
        "pass" if good else "fail",
        measured=format_size(image.size),
        limit=shown,
        evidence=[f"{image.name} is {image.size} bytes unpacked"],
        advice=[] if good else list(_SIZE_ADVICE),
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
