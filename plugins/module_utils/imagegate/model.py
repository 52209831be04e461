# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every source of images (engine, registry, archive) delivers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ..errors import UserError
from .layer import LayerIndex


@dataclass
class Blob:
    """A layer: bytes of its files, bytes as it is stored where it is stored compressed, and its contents.

    What a source cannot tell is None.
    """

    size: int | None
    compressed: int | None = None
    index: LayerIndex | None = None


@dataclass
class Image:
    """An image as its source knows it. `config` is the OCI image configuration."""

    id: str
    tags: list[str]
    platform: str
    config: dict[str, Any]
    layers: list[Blob]

    @property
    def unpacked(self) -> int | None:
        """Bytes of all files of all layers, which is what docker image inspect calls the size."""
        sizes = [layer.size for layer in self.layers]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def compressed(self) -> int | None:
        """Bytes of all layers as they travel; None unless every layer is compressed."""
        sizes = [layer.compressed for layer in self.layers]
        return None if None in sizes else sum(size or 0 for size in sizes)


def platform_of(config: dict[str, Any]) -> str:
    """`linux/amd64` or `linux/arm/v7`, from an image configuration or a platform descriptor."""
    parts = (
        config.get("os") or config.get("Os"),
        config.get("architecture") or config.get("Architecture"),
        config.get("variant") or config.get("Variant"),
    )
    return "/".join(str(part) for part in parts if part)


class OfPlatform(Protocol):
    """Whatever is for one platform."""

    @property
    def platform(self) -> str: ...


_T = TypeVar("_T", bound=OfPlatform)


def fits(platform: str, wanted: str) -> bool:
    """Whether an image of `platform` is what one means by `wanted`; a variant may be left out."""
    # Engines write arm64's only variant or leave it out, and mean the same.
    platform, wanted = (name.replace("/arm64/v8", "/arm64") for name in (platform, wanted))
    return platform == wanted or platform.startswith(wanted + "/")


def fitting(images: Sequence[_T], platform: str, name: str) -> list[_T]:
    """The images of a platform, or `all`; never none, so that no gate is green that measured nothing.

    Raises:
        UserError: There is none; the message names the platforms that there are.
    """
    if not images:
        raise UserError(f"images: {name} names no image at all, so that there is nothing to measure")
    chosen = [image for image in images if platform == "all" or fits(image.platform, platform)]
    if not chosen:
        known = ", ".join(sorted({image.platform or "a platform that it does not name" for image in images}))
        raise UserError(f"platform: {name} is not there for {platform}, only for {known}; set platform to one that is")
    return chosen
