# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images as a registry holds them: manifests before anything is pulled, layers as streams when asked for."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..errors import NotTarError, PaperError, ShortStreamError, TrustError, UserError, WireError
from .archive import read_blob
from .bytestream import ByteStream, hashing
from .login import Login
from .model import Blob, Image, fitting, platform_of
from .papers import LARGEST_PAPER, checked_config, digest_is, digest_of, image_layers, objects, read_paper
from .reference import Reference, parse, registry_name
from .wire import Answer, Wire

_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_ACCEPT = ", ".join(
    (
        *_INDEXES,
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
# Indexes within indexes, and images in them, beyond which an index is taken for a trap.
_DEEPEST, _MOST_IMAGES = 4, 200


class _Listed(NamedTuple):
    """An image that an index names, or that a tag names itself."""

    platform: str
    digest: str


class Registry:
    """Reads from registries with the OCI distribution API; one session, tokens fetched as they are asked for."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._wire = Wire(options.get("timeout", 60), options.get("ca_path") or options.get("validate_certs", True))
        self._scheme = "http" if options.get("registry_plain_http") else "https"
        self._login = Login(
            self._wire,
            _login_registry(options),
            options.get("registry_username"),
            options.get("registry_password"),
            self._scheme,
        )
        self._headers: dict[str, dict[str, str]] = {}

    def load(self, name: str, platform: str, files: bool) -> list[Image]:
        """The image, of the platform asked for; its layers are read only when `files` asks for it.

        Raises:
            UserError: There is no such image or platform, or the registry refuses.
        """
        reference = parse(name)
        try:
            listed = list(dict.fromkeys(self._listed(reference, reference.version, 0)))
            chosen = fitting(listed, platform, name)[: None if platform == "all" else 1]
            return [self._image(reference, item.digest, name, files) for item in chosen]
        except PaperError as error:
            raise UserError(f"images: registry {reference.registry} has a manifest for {reference} that {error}")

    def _listed(self, reference: Reference, version: str, depth: int) -> Iterator[_Listed]:
        """The images behind a tag or digest, down through nested indexes; attestations are not images."""
        manifest, digest = self._manifest(reference, version)
        if "manifests" not in manifest:
            image_layers(manifest)
            yield _Listed(platform_of(self._config(reference, manifest)), digest)
            return
        descriptors = objects(manifest["manifests"], "manifests")
        if depth >= _DEEPEST or len(descriptors) > _MOST_IMAGES:
            raise PaperError("nests or lists more indexes and images than can be followed")
        for descriptor in descriptors:
            if _is_attestation(descriptor):
                continue
            platform = platform_of(descriptor.get("platform") or {})
            if platform and descriptor.get("mediaType") not in _INDEXES:
                yield _Listed(platform, digest_of(descriptor))
            else:
                yield from self._listed(reference, digest_of(descriptor), depth + 1)

    def _manifest(self, reference: Reference, version: str) -> tuple[dict[str, Any], str]:
        body = self._paper(reference, f"manifests/{version}", {"Accept": _ACCEPT})
        digest = version if ":" in version else f"sha256:{hashlib.sha256(body).hexdigest()}"
        manifest = self._checked(reference, digest, body)
        if manifest.get("schemaVersion") != 2 or not ("manifests" in manifest or "layers" in manifest):
            raise UserError(f"images: {reference} has a manifest of an unknown form; push it with a current engine")
        return manifest, digest

    def _config(self, reference: Reference, manifest: dict[str, Any]) -> dict[str, Any]:
        digest = digest_of(manifest.get("config"))
        return checked_config(self._checked(reference, digest, self._paper(reference, f"blobs/{digest}", {})))

    def _paper(self, reference: Reference, path: str, headers: dict[str, str]) -> bytes:
        try:
            return self._get(reference, path, headers).body(LARGEST_PAPER)
        except WireError as error:
            raise UserError(f"images: registry {reference.registry} {error}, asked for {reference}")

    def _checked(self, reference: Reference, digest: str, body: bytes) -> dict[str, Any]:
        if not digest_is(digest, body):
            raise UserError(f"images: registry {reference.registry} answered for {reference} with other content")
        try:
            return read_paper(body)
        except PaperError as error:
            raise UserError(f"images: registry {reference.registry} answered for {reference} with what {error}")

    def _image(self, reference: Reference, digest: str, name: str, files: bool) -> Image:
        manifest, _digest = self._manifest(reference, digest)
        layers, config = image_layers(manifest), self._config(reference, manifest)
        read = self._read_blob if files else _described
        cache: dict[str, Blob] = {}
        for layer in layers:
            if layer["digest"] not in cache:
                cache[layer["digest"]] = read(reference, layer)
        return Image(digest, [name], platform_of(config), config, [cache[layer["digest"]] for layer in layers])

    def _read_blob(self, reference: Reference, layer: dict[str, Any]) -> Blob:
        digest, size = layer["digest"], layer.get("size", 0)
        if "foreign" in str(layer.get("mediaType")) or "nondistributable" in str(layer.get("mediaType")):
            raise UserError(
                f"images: layer {digest[:19]} of {reference} is foreign: the registry does not hold it;"
                " use basis: compressed and analysis: never"
            )
        answer = self._get(reference, f"blobs/{digest}", {})
        hashed = hashlib.new(digest.partition(":")[0])
        stream = ByteStream(hashing(answer.pieces(size), hashed))
        try:
            blob = read_blob(stream, size)
            stream.drain()
        except (ShortStreamError, NotTarError, WireError):
            raise UserError(f"images: layer {digest[:19]} of {reference} is cut short or damaged")
        if hashed.hexdigest() != digest.partition(":")[2]:
            raise UserError(f"images: layer {digest[:19]} of {reference} is not what its digest says")
        blob.compressed = size
        return blob

    def _get(self, reference: Reference, path: str, headers: dict[str, str]) -> Answer:
        url = f"{self._scheme}://{reference.address}/v2/{reference.repository}/{path}"
        place = f"{reference.address}/{reference.repository}"
        answer = self._request(url, reference, {**headers, **self._headers.get(place, {})})
        if answer.status == 401:
            # Also when a token was sent: it may have ended meanwhile.
            self._headers[place] = self._login.answer(reference, answer.challenges())
            if self._headers[place]:
                answer = self._request(url, reference, {**headers, **self._headers[place]})
        if answer.status == 200:
            return answer
        raise self._refused(reference, answer.status)

    def _request(self, url: str, reference: Reference, headers: dict[str, str]) -> Answer:
        try:
            return self._wire.get(url, headers)
        except TrustError:
            raise UserError(
                f"images: the certificate of registry {reference.registry} is not trusted; set ca_path,"
                " or registry_plain_http for one that speaks no TLS"
            )
        except WireError as error:
            raise UserError(f"images: registry {reference.registry} {error}; check its name and the network")

    def _refused(self, reference: Reference, status: int) -> UserError:
        where = f"registry {reference.registry}"
        if status == 404:
            return UserError(f"images: {where} has no {reference}{self._near_tags(reference)}")
        if status in (401, 403):
            doing = (
                "refuses this login"
                if self._login.is_for(reference)
                else "wants a login; set registry_username and registry_password, or docker_host_registries"
            )
            return UserError(f"images: {where} {doing} for {reference.repository} ({status})")
        if status == 429:
            return UserError(f"images: {where} limits how often it is asked; log in, or try again later (429)")
        return UserError(f"images: {where} answered {status} for {reference}; try again later")

    def _near_tags(self, reference: Reference) -> str:
        url = f"{self._scheme}://{reference.address}/v2/{reference.repository}/tags/list"
        headers = self._headers.get(f"{reference.address}/{reference.repository}", {})
        try:
            tags = read_paper(self._wire.get(url, headers).body(LARGEST_PAPER)).get("tags")
        except (WireError, PaperError):
            return ""
        known = [tag for tag in tags if isinstance(tag, str)][:1000] if isinstance(tags, list) else []
        near = difflib.get_close_matches(reference.tag, known, n=3, cutoff=0.3)
        return f"; near tags: {', '.join(near)}" if near else ""


def _login_registry(options: dict[str, Any]) -> str:
    """The registry that the login is for: the one named, or the only one that is asked.

    Raises:
        UserError: Several are asked, and nothing says to which of them the login belongs.
    """
    if options.get("registry_host") or not options.get("registry_username"):
        return registry_name(options.get("registry_host") or "")
    names = [options.get("reference")]
    for item in options.get("images") or []:
        names += [item.get("image"), item.get("reference")] if isinstance(item, dict) else [item]
    asked = sorted({parse(str(name)).registry for name in names if name})
    if len(asked) > 1:
        raise UserError(
            f"registry_username: a login belongs to one registry, and images lie in {', '.join(asked)};"
            " set registry_host to the one that it is for"
        )
    return asked[0] if asked else ""


def _described(_reference: Reference, layer: dict[str, Any]) -> Blob:
    return Blob(size=None, compressed=layer.get("size", 0))


def _is_attestation(descriptor: dict[str, Any]) -> bool:
    notes = descriptor.get("annotations")
    told = descriptor.get("platform")
    if told is not None and not isinstance(told, dict):
        raise PaperError("has a platform that is no object")
    return (isinstance(notes, dict) and "vnd.docker.reference.type" in notes) or (
        platform_of(told or {}) == "unknown/unknown"
    )
