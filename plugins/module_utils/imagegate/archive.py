# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""docker save and OCI archives, read in one pass: layers first, the papers that order them last or first."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from ..errors import ForeignError, NotTarError, PaperError, ShortStreamError, UserError
from .bytestream import ByteStream, compression, hashing, unpacked
from .layer import LayerIndex, read_layer
from .model import Blob, Image, platform_of
from .papers import (
    LARGEST_PAPER,
    MOST_LAYERS,
    checked_config,
    digest_is,
    digest_of,
    image_layers,
    objects,
    read_json,
    read_paper,
    values_in,
)
from .tarstream import entries

_PIECE = 1 << 20
# What an archive may hold in all, and how deep its indexes may nest, beyond which it is taken for a trap.
_MOST_PAPERS, _MOST_VALUES, _MOST_MEMBERS = 16 << 20, 400_000, 20_000
_DEEPEST, _MOST_IMAGES = 4, 200
# Names of members, and of configurations, that are the digest of their content.
_BLOB = re.compile(r"(?:blobs/)?(?:(?P<algorithm>sha256|sha512)[:/])?(?P<hex>[0-9a-f]{64,128})(?:\.json)?", re.ASCII)
_ATTESTATION = re.compile(rb'\{\s*"_type"')


@dataclass
class _Contents:
    """What the members of the archive turned out to be, by member name."""

    papers: dict[str, bytes] = field(default_factory=dict)
    layers: dict[str, Blob] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    _bytes: int = 0
    _values: int = 0

    def add_paper(self, name: str, body: bytes) -> None:
        self.papers[name] = body
        self._bytes += len(body)
        self._values += values_in(body)

    def check_bounds(self) -> None:
        """PaperError when the archive names or holds more than any image does."""
        members = len(self.papers) + len(self.layers) + len(self.links)
        if members > _MOST_MEMBERS or self._bytes > _MOST_PAPERS or self._values > _MOST_VALUES:
            raise PaperError("holds more manifests and configurations than any image's archive")

    def paper(self, name: str) -> bytes | None:
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
    contents = _Contents()
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
            contents.check_bounds()
    except ShortStreamError:
        raise UserError(f"{what} is cut short: save it again")
    except NotTarError:
        raise UserError(f"{what} is not an image: expected what docker save writes, or an OCI layout as tar")
    except PaperError as error:
        raise UserError(f"{what} {error}; save it again")
    try:
        images: dict[str, Image] = {}
        # The manifest names one platform of an image for several; the index names each.
        for count, image in enumerate(chain(_from_manifest(contents, what), _from_index(contents, what))):
            if count >= _MOST_IMAGES:
                raise PaperError("names more images than can be looked at")
            images.setdefault(image.id, image)
    except PaperError as error:
        raise UserError(f"{what} is damaged: its manifest, index or configuration {error}; save it again")
    if not images:
        raise UserError(f"{what} holds no image: neither manifest.json nor index.json names one")
    return list(images.values())


def _read_member(contents: _Contents, name: str, size: int, body: ByteStream) -> None:
    head = body.peek(512)
    if head[:1] in (b"{", b"["):
        # Lists of what is in an image travel with it, may be large, and are no papers of an image.
        if size <= LARGEST_PAPER and not _ATTESTATION.match(head):
            contents.add_paper(name, body.take(size))
        return
    if compression(head) == "none" and head[257:262] != b"ustar" and head.strip(b"\0"):
        return
    digest = _named_digest(name) if name.startswith("blobs/") else ""
    if not digest:
        contents.layers[name] = read_blob(body, size)
        return
    algorithm, _colon, told = digest.partition(":")
    hashed = hashlib.new(algorithm)
    stream = ByteStream(hashing(body.rest(), hashed))
    contents.layers[name] = read_blob(stream, size)
    stream.drain()
    if hashed.hexdigest() != told:
        raise PaperError(f"has a layer, {digest[:19]}, that is not what its digest says")


def read_blob(body: ByteStream, size: int) -> Blob:
    """A layer as it is stored, compressed or not."""
    compressed = compression(body.peek(4)) != "none"
    index = read_layer(unpacked(body)) if size else LayerIndex()
    return Blob(index.size, size if compressed else None, index)


def _from_manifest(contents: _Contents, what: str) -> Iterator[Image]:
    """The images that docker save's own manifest lists."""
    body = contents.paper("manifest.json")
    manifest = read_json(body) if body is not None else []
    for item in objects(manifest, "images") if isinstance(manifest, list) else []:
        tags, names = _texts(item.get("RepoTags") or []), _texts(item.get("Layers"))
        config = str(item.get("Config"))
        if len(names) > MOST_LAYERS:
            raise PaperError(f"has {len(names)} layers, more than any engine takes")
        yield _image(contents, contents.paper(config), names, tags, config, what)


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise PaperError("has names that are no list of texts")
    return value


def _from_index(contents: _Contents, what: str) -> Iterator[Image]:
    """The images that an OCI index lists, down through nested indexes; attestations are not images."""
    body = contents.paper("index.json")
    index = read_paper(body) if body is not None else {}
    todo = [(item, "", 1) for item in objects(index.get("manifests"), "manifests")][::-1]
    seen: set[str] = set()
    while todo:
        descriptor, name, depth = todo.pop()
        notes = descriptor.get("annotations")
        notes = notes if isinstance(notes, dict) else {}
        digest = digest_of(descriptor)
        body = contents.paper(_blob_name(digest))
        if body is None or digest in seen or "vnd.docker.reference.type" in notes:
            continue
        seen.add(digest)
        name = str(notes.get("io.containerd.image.name") or notes.get("org.opencontainers.image.ref.name") or name)
        paper = _checked(digest, body)
        if "manifests" in paper:
            if depth >= _DEEPEST:
                raise PaperError(f"nests indexes deeper than {_DEEPEST}")
            todo += [(child, name, depth + 1) for child in reversed(objects(paper["manifests"], "manifests"))]
        elif "layers" in paper and (image := _listed(contents, paper, name, what)):
            yield image


def _listed(contents: _Contents, manifest: dict[str, Any], name: str, what: str) -> Image | None:
    """The image of an OCI manifest; None for an artifact, and for a platform that is listed but was not pulled."""
    try:
        names = [_blob_name(layer["digest"]) for layer in image_layers(manifest)]
    except ForeignError:
        return None
    config = digest_of(manifest["config"])
    body = contents.paper(_blob_name(config))
    if body is None or not all(map(contents.layer, names)):
        return None
    return _image(contents, body, names, [name] if name else [], config, what)


def _checked(digest: str, body: bytes) -> dict[str, Any]:
    """The paper, which must be what its digest says."""
    if not digest_is(digest, body):
        raise PaperError("is not what its digest says")
    return read_paper(body)


def _blob_name(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/", 1)


def _image(
    contents: _Contents, body: bytes | None, names: list[str], tags: list[str], id_source: str, what: str
) -> Image:
    layers = [layer for name in names if (layer := contents.layer(name)) is not None]
    if body is None or len(layers) != len(names):
        raise UserError(f"{what} is incomplete: an image's configuration or a layer is missing; save it again")
    digest = _named_digest(id_source)
    config = checked_config(_checked(digest, body) if digest else read_paper(body))
    id = digest or f"sha256:{hashlib.sha256(body).hexdigest()}"
    return Image(id=id, tags=tags, platform=platform_of(config), config=config, layers=layers)


def _named_digest(name: str) -> str:
    """The digest that a name consists of; empty for a name that is none."""
    match = _BLOB.fullmatch(name)
    return f"{match['algorithm'] or 'sha256'}:{match['hex']}" if match else ""
