# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""docker save and OCI archives, read in one pass: layers first, the papers that order them last or first."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import NotTarError, ShortStreamError, UserError
from .bytestream import ByteStream, compression, unpacked
from .layer import LayerIndex, read_layer
from .model import Blob, Image, platform_of
from .tarstream import entries

_PIECE = 1 << 20
_LARGEST_PAPER = 8 << 20


@dataclass
class _Contents:
    """What the members of the archive turned out to be, by member name."""

    papers: dict[str, Any]
    layers: dict[str, Blob]
    links: dict[str, str]

    def paper(self, name: str) -> Any:
        return self.papers.get(self._target(name))

    def layer(self, name: str) -> Blob | None:
        return self.layers.get(self._target(name))

    def _target(self, name: str) -> str:
        name = posixpath.normpath(name)
        return self.links.get(name, name)


def read_file(path: str) -> list[Image]:
    """The images of an archive on disk, plain or compressed as a whole.

    Raises:
        UserError: The file cannot be read, is cut short or holds no image.
    """
    try:
        with Path(path).open("rb") as file:
            return read_archive(iter(lambda: file.read(_PIECE), b""), f"archive {path}")
    except OSError as error:
        raise UserError(f"archive: cannot read {path}: {error.strerror}")


def read_archive(pieces: Iterable[bytes], what: str) -> list[Image]:
    """The images of an archive that arrives in pieces; `what` names it in errors."""
    contents = _Contents({}, {}, {})
    try:
        for member in entries(unpacked(ByteStream(pieces))):
            name = posixpath.normpath(member.path.decode("utf-8", "replace"))
            if member.kind in b"12":
                # Engines before 25 store a layer that occurs twice as a link to the first.
                link = member.link.decode("utf-8", "replace")
                base = posixpath.dirname(name) if member.kind == b"2" else ""
                contents.links[name] = posixpath.normpath(posixpath.join(base, link))
            elif member.is_file:
                _read_member(contents, name, member.size, member.body)
    except ShortStreamError:
        raise UserError(f"{what} is cut short: save it again")
    except NotTarError:
        raise UserError(f"{what} is not an image: expected what docker save writes, or an OCI layout as tar")
    try:
        images = {image.id: image for image in _from_manifest(contents, what)}
        # The manifest names one platform of an image for several; the index names each.
        for image in _from_index(contents, what):
            images.setdefault(image.id, image)
    except (AttributeError, KeyError, TypeError):
        # The papers are JSON, but not of the form that the specifications give them.
        raise UserError(f"{what} is damaged: its manifest has another form than an image's; save it again")
    if not images:
        raise UserError(f"{what} holds no image: neither manifest.json nor index.json names one")
    return list(images.values())


def _read_member(contents: _Contents, name: str, size: int, body: ByteStream) -> None:
    head = body.peek(512)
    if head[:1] in (b"{", b"["):
        if size <= _LARGEST_PAPER:
            try:
                contents.papers[name] = json.loads(body.take(size))
            except ValueError:
                return
        return
    if compression(head) == "none" and head[257:262] != b"ustar" and head.strip(b"\0"):
        return
    contents.layers[name] = read_blob(body, size)


def read_blob(body: ByteStream, size: int) -> Blob:
    """A layer as it is stored, compressed or not."""
    compressed = compression(body.peek(4)) != "none"
    index = read_layer(unpacked(body)) if size else LayerIndex()
    return Blob(index.size, size if compressed else None, index)


def _from_manifest(contents: _Contents, what: str) -> Iterator[Image]:
    """The images that docker save's own manifest lists."""
    manifest = contents.paper("manifest.json")
    for item in manifest if isinstance(manifest, list) else []:
        config, names = contents.paper(str(item.get("Config"))), item.get("Layers")
        yield _image(contents, config, names, list(item.get("RepoTags") or []), str(item.get("Config")), what)


def _from_index(contents: _Contents, what: str) -> Iterator[Image]:
    """The images that an OCI index lists, down through nested indexes; attestations are not images."""
    index = contents.paper("index.json")
    todo = list(index.get("manifests", [])) if isinstance(index, dict) else []
    while todo:
        descriptor = todo.pop(0)
        notes = descriptor.get("annotations") or {}
        paper = contents.paper(_blob_name(descriptor))
        if paper is None or "vnd.docker.reference.type" in notes:
            continue
        name = notes.get("io.containerd.image.name") or notes.get("org.opencontainers.image.ref.name")
        if "manifests" in paper:
            inherited = {"annotations": notes} if name else {}
            todo[:0] = [{**inherited, **child} for child in paper["manifests"]]
        elif "layers" in paper:
            config = contents.paper(_blob_name(paper["config"]))
            names = [_blob_name(layer) for layer in paper["layers"]]
            if config is None or not all(contents.layer(layer) for layer in names):
                # A platform that was not pulled is listed all the same.
                continue
            yield _image(contents, config, names, [name] if name else [], paper["config"]["digest"], what)


def _blob_name(descriptor: dict[str, Any]) -> str:
    return "blobs/" + str(descriptor.get("digest", "")).replace(":", "/", 1)


def _image(contents: _Contents, config: Any, names: Any, tags: list[str], id_source: str, what: str) -> Image:
    layers = [contents.layer(name) for name in names] if isinstance(names, list) else []
    if not isinstance(config, dict) or not isinstance(names, list) or None in layers:
        raise UserError(f"{what} is incomplete: an image's configuration or a layer is missing; save it again")
    digest = id_source.rpartition("/")[2].rpartition(":")[2].removesuffix(".json")
    return Image(
        id=f"sha256:{digest}",
        tags=tags,
        platform=platform_of(config),
        config=config,
        layers=[layer for layer in layers if layer is not None],
    )
