# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Manifests, indexes and configurations: read within bounds, and held against the form that they must have."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

from ..errors import ForeignError, PaperError

# The distribution specification lets a registry refuse manifests above this.
LARGEST_PAPER = 4 << 20
# A paper of many tiny values takes thirty times its bytes once it is read; no image has so many.
_MOST_VALUES = 200_000
MOST_LAYERS = 1000
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}", re.ASCII)
_IMAGE_CONFIG = ("application/vnd.oci.image.config.", "application/vnd.docker.container.image.")
_IMAGE_LAYER = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")


def read_paper(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`.

    Raises:
        PaperError: It is none, or one that no image has.
    """
    paper = read_json(body)
    if not isinstance(paper, dict):
        raise PaperError("is no JSON object")
    return paper


def read_json(body: bytes) -> Any:
    """What the JSON in `body` says; PaperError for what is no JSON or out of all proportion."""
    if len(body) > LARGEST_PAPER or values_in(body) > _MOST_VALUES:
        raise PaperError("is larger than any image's")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise PaperError("is no JSON object")


def values_in(body: bytes) -> int:
    """How many values the JSON in `body` has at most, without reading it."""
    return sum(map(body.count, (b",", b"[", b"{")))


def digest_is(digest: str, body: bytes) -> bool:
    """Whether `body` has this digest."""
    return hashlib.new(digest.partition(":")[0], body).hexdigest() == digest.partition(":")[2]


def digest_of(descriptor: Any) -> str:
    """The digest that a descriptor names; PaperError when it names none."""
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise PaperError("names a part without a digest")
    return digest


def objects(value: Any, what: str) -> list[dict[str, Any]]:
    """A list of JSON objects, as which `what` must be given; null is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise PaperError(f"has {what} that are no list of objects")
    return value


def image_layers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The layers of an image's manifest.

    Raises:
        PaperError: It is malformed.
        ForeignError: It is that of an artifact which is no image.
    """
    config, layers = manifest.get("config"), objects(manifest.get("layers"), "layers")
    if not isinstance(config, dict):
        raise PaperError("names no configuration")
    kind = _foreign_kind(config.get("mediaType"), _IMAGE_CONFIG) or next(
        filter(None, (_foreign_kind(layer.get("mediaType"), _IMAGE_LAYER) for layer in layers)), None
    )
    if kind:
        raise ForeignError(
            f"is that of an artifact ({str(manifest.get('artifactType') or kind)[:100]}), not of an image"
        )
    if len(layers) > MOST_LAYERS:
        raise PaperError(f"has {len(layers)} layers, more than any engine takes")
    digest_of(config)
    for layer in layers:
        digest_of(layer)
        size = layer.get("size", 0)
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise PaperError("has a layer whose size is no number of bytes")
    return layers


def _foreign_kind(media_type: Any, ours: tuple[str, ...]) -> str | None:
    """The media type when it is told and none of `ours`."""
    return str(media_type) if media_type and not str(media_type).startswith(ours) else None


def checked_config(config: Any) -> dict[str, Any]:
    """An image's configuration whose parts have the types that all else relies on.

    Raises:
        PaperError: One has not.
    """
    if not isinstance(config, dict):
        raise PaperError("is no JSON object")
    settings = config.get("config")
    if settings is not None and not isinstance(settings, dict):
        raise PaperError("has settings that are no object")
    variables = (settings or {}).get("Env")
    if not (variables is None or (isinstance(variables, list) and all(isinstance(item, str) for item in variables))):
        raise PaperError("has an Env that is no list of texts")
    _texts(settings or {}, ("User",))
    _texts(config, ("os", "architecture", "variant"))
    for step in objects(config.get("history"), "steps of history"):
        _texts(step, ("created_by",))
    return config


def _texts(values: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if not isinstance(values.get(name), str | None):
            raise PaperError(f"has a {name} that is no text")
