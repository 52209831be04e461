# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images as a registry holds them: manifests before anything is pulled, layers as streams when asked for."""

from __future__ import annotations

import base64
import difflib
import hashlib
import json
import re
from typing import Any

from ..errors import UserError
from .archive import read_blob
from .bytestream import ByteStream, ShortStreamError
from .model import Blob, Image, platform_of
from .reference import Reference, parse
from .tarstream import NotTarError

_ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_PIECE = 1 << 18
_LARGEST_PAPER = 8 << 20
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class Registry:
    """Reads from registries with the OCI distribution API; one session, tokens fetched as they are asked for."""

    def __init__(self, options: dict[str, Any]) -> None:
        try:
            import requests
        except ImportError:
            raise UserError(
                "the Python package requests is missing where the gate runs: install python3-requests"
                " (Debian, Ubuntu) or pip install requests"
            )
        self._requests = requests
        self._session = requests.Session()
        self._session.verify = options.get("ca_path") or options.get("validate_certs", True)
        user, password = options.get("registry_username"), options.get("registry_password")
        self._login = (str(user), str(password or "")) if user else None
        self._timeout = options.get("timeout", 60)
        self._scheme = "http" if options.get("registry_plain_http") else "https"
        self._headers: dict[str, dict[str, str]] = {}

    def load(self, name: str, platform: str, files: bool) -> list[Image]:
        """The image, of the platform asked for; its layers are read only when `files` asks for it.

        Raises:
            UserError: There is no such image or platform, or the registry refuses.
        """
        reference = parse(name)
        manifest, digest = self._manifest(reference, reference.version)
        if "manifests" not in manifest:
            return [self._image(reference, manifest, digest, name, files)]
        images = []
        for descriptor in _chosen(manifest["manifests"], platform, name):
            child, child_digest = self._manifest(reference, descriptor["digest"])
            images.append(self._image(reference, child, child_digest, name, files))
        return images

    def _manifest(self, reference: Reference, version: str) -> tuple[dict[str, Any], str]:
        body = self._get(reference, f"manifests/{version}", {"Accept": _ACCEPT}).content
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if version.startswith("sha256:") and version != digest:
            raise UserError(f"images: registry {reference.registry} answered for {reference} with other content")
        manifest = _json(body, reference)
        if manifest.get("schemaVersion") != 2 or not ("manifests" in manifest or "layers" in manifest):
            raise UserError(f"images: {reference} has a manifest of an unknown form; push it with a current engine")
        return manifest, digest

    def _image(self, reference: Reference, manifest: dict[str, Any], digest: str, name: str, files: bool) -> Image:
        body = self._get(reference, f"blobs/{manifest['config']['digest']}", {}).content
        config = _json(body, reference)
        read = self._read_blob if files else _described
        cache: dict[str, Blob] = {}
        for layer in manifest["layers"]:
            if layer["digest"] not in cache:
                cache[layer["digest"]] = read(reference, layer)
        layers = [cache[layer["digest"]] for layer in manifest["layers"]]
        return Image(digest, [name], platform_of(config), config, layers)

    def _read_blob(self, reference: Reference, layer: dict[str, Any]) -> Blob:
        with self._get(reference, f"blobs/{layer['digest']}", {}, stream=True) as response:
            try:
                blob = read_blob(ByteStream(response.iter_content(_PIECE)), layer["size"])
            except (ShortStreamError, NotTarError, self._requests.RequestException):
                raise UserError(f"images: layer {layer['digest'][:19]} of {reference} is cut short or damaged")
        blob.compressed = layer["size"]
        return blob

    def _get(self, reference: Reference, path: str, headers: dict[str, str], stream: bool = False) -> Any:
        url = f"{self._scheme}://{reference.address}/v2/{reference.repository}/{path}"
        known = self._headers.get(f"{reference.address}/{reference.repository}", {})
        response = self._request(url, reference, {**headers, **known}, stream)
        if response.status_code == 401 and "www-authenticate" in response.headers and not known:
            granted = self._authorise(reference, response.headers["www-authenticate"])
            self._headers[f"{reference.address}/{reference.repository}"] = granted
            response = self._request(url, reference, {**headers, **granted}, stream)
        if response.status_code == 200:
            return response
        raise self._refused(reference, response)

    def _request(self, url: str, reference: Reference, headers: dict[str, str], stream: bool) -> Any:
        try:
            return self._session.get(url, headers=headers, timeout=self._timeout, stream=stream)
        except self._requests.exceptions.SSLError:
            raise UserError(
                f"images: the certificate of registry {reference.registry} is not trusted; set ca_path,"
                " or registry_plain_http for one that speaks no TLS"
            )
        except self._requests.exceptions.RequestException as error:
            reason = "did not answer in time" if "timed out" in str(error) else "cannot be reached"
            raise UserError(f"images: registry {reference.registry} {reason}; check its name and the network")

    def _authorise(self, reference: Reference, challenge: str) -> dict[str, str]:
        """Answer a challenge: basic with the login, bearer with a token that the realm issues for it."""
        kind, _space, rest = challenge.partition(" ")
        if kind.lower() == "basic":
            if self._login is None:
                return {}
            pair = base64.b64encode(":".join(self._login).encode()).decode()
            return {"Authorization": f"Basic {pair}"}
        fields = dict(_CHALLENGE.findall(rest))
        # A login never goes over an open line because a challenge says so.
        if not fields.get("realm", "").startswith(f"{self._scheme}://"):
            return {}
        query = {"service": fields.get("service", ""), "scope": f"repository:{reference.repository}:pull"}
        try:
            response = self._session.get(fields["realm"], params=query, auth=self._login, timeout=self._timeout)
            answer = response.json() if response.status_code == 200 else {}
        except (self._requests.exceptions.RequestException, ValueError):
            answer = {}
        token = answer.get("token") or answer.get("access_token")
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _refused(self, reference: Reference, response: Any) -> UserError:
        where = f"registry {reference.registry}"
        if response.status_code == 404:
            return UserError(f"images: {where} has no {reference}{self._near_tags(reference)}")
        if response.status_code in (401, 403):
            doing = (
                "refuses this login" if self._login else "wants a login; set registry_username and registry_password"
            )
            return UserError(f"images: {where} {doing} for {reference.repository} ({response.status_code})")
        if response.status_code == 429:
            return UserError(f"images: {where} limits how often it is asked; log in, or try again later (429)")
        return UserError(f"images: {where} answered {response.status_code} for {reference}; try again later")

    def _near_tags(self, reference: Reference) -> str:
        url = f"{self._scheme}://{reference.address}/v2/{reference.repository}/tags/list"
        headers = self._headers.get(f"{reference.address}/{reference.repository}", {})
        try:
            tags = self._session.get(url, headers=headers, timeout=self._timeout).json().get("tags") or []
        except (self._requests.exceptions.RequestException, ValueError, AttributeError):
            return ""
        near = difflib.get_close_matches(reference.tag, tags, n=3, cutoff=0.3)
        return f"; near tags: {', '.join(near)}" if near else ""


def _described(_reference: Reference, layer: dict[str, Any]) -> Blob:
    return Blob(size=None, compressed=layer["size"])


def _chosen(descriptors: list[dict[str, Any]], platform: str, name: str) -> list[dict[str, Any]]:
    """The manifests of the platform asked for, or all that are images and no attestations."""
    known = {platform_of(item["platform"]): item for item in descriptors if _is_image(item)}
    if platform == "all":
        return list(known.values())
    for key, item in known.items():
        if key == platform or key.startswith(platform + "/"):
            return [item]
    raise UserError(f"platform: {name} is not there for {platform}, only for {', '.join(sorted(known))}")


def _is_image(descriptor: dict[str, Any]) -> bool:
    return platform_of(descriptor.get("platform") or {}) not in ("", "unknown/unknown")


def _json(body: bytes, reference: Reference) -> dict[str, Any]:
    try:
        paper = json.loads(body) if len(body) <= _LARGEST_PAPER else None
    except ValueError:
        paper = None
    if not isinstance(paper, dict):
        raise UserError(f"images: registry {reference.registry} answered for {reference} with no JSON object")
    return paper
