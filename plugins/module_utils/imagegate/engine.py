# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images as a Docker engine holds them, through the Docker SDK: its API alone, no command is run."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..docker.store import is_containerd
from ..errors import PaperError, UserError
from .archive import read_archive
from .model import Blob, Image, fitting, platform_of
from .papers import checked_config, objects

_PIECE = 1 << 20
_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"
# How an address without an engine answers; the last one is what remains of a failed ssh.
_NOBODY = ("No such file", "Connection refused", "Name or service not known", "RemoteDisconnected")
# Instructions that change the configuration and make no layer.
_NO_LAYER = re.compile(
    r"(?:/bin/sh -c #\(nop\)\s+)?(?:ENV|ARG|CMD|ENTRYPOINT|EXPOSE|LABEL|USER|VOLUME|STOPSIGNAL|HEALTHCHECK|SHELL"
    r"|ONBUILD|MAINTAINER)\b"
)


class ImageEngine:
    """A connection to an engine; all errors come out as one sentence."""

    def __init__(self, api: Any, address: str) -> None:
        self._api = api
        self._address = address
        with self._errors():
            info = api.info()
        # Then only the files tell the size.
        self.containerd_store = is_containerd(info)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import docker.errors
        import requests.exceptions

        try:
            yield
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            raise engine_error(error, self._address)

    def id_of(self, name: str) -> str:
        return str(self._inspect(name)["Id"])

    def load(self, name: str, platform: str, files: bool) -> list[Image]:
        """The image, of the platform asked for, with its files looked at or only measured.

        Raises:
            UserError: There is no such image, or the engine fails.
        """
        facts = self._inspect(name)
        try:
            if self.containerd_store:
                images = self._saved(name, facts)
            elif files:
                images = [with_sizes(image, self._history(facts)) for image in self._saved(name, facts)]
            else:
                images = [self._measured(facts)]
        except PaperError as error:
            raise UserError(
                f"images: what the engine at {self._address} tells of {name} {error}; pull or build it again"
            )
        return images if platform == "all" else [_matching(images, platform, facts, name)]

    def _inspect(self, name: str) -> dict[str, Any]:
        import docker.errors

        with self._errors():
            try:
                return dict(self._api.inspect_image(name))
            except docker.errors.ImageNotFound:
                known = [tag for image in self._api.images() for tag in image.get("RepoTags") or []]
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"; near names: {', '.join(near)}" if near else ""
        raise UserError(f"images: the engine at {self._address} has no image {name!r}{hint}")

    def _history(self, facts: dict[str, Any]) -> list[dict[str, Any]]:
        """Oldest first, each step with the bytes that it added."""
        with self._errors():
            history = objects(self._api.history(facts["Id"]), "steps of history")
        if not all(
            isinstance(entry.get("Size"), int) and isinstance(entry.get("CreatedBy"), str | None) for entry in history
        ):
            raise PaperError("has a step of history without a size, or that is no text")
        return history[::-1]

    def _measured(self, facts: dict[str, Any]) -> Image:
        """From the engine's own figures, which are the sums of the layers' files."""
        history = self._history(facts)
        count = len((facts.get("RootFS") or {}).get("Layers") or [])
        makes = [bool(entry["Size"]) or not _NO_LAYER.match(entry.get("CreatedBy") or "") for entry in history]
        if sum(makes) != count:
            makes = [bool(entry["Size"]) for entry in history]
        sizes = [entry["Size"] for entry, made in zip(history, makes) if made]
        # What the history leaves unexplained is empty.
        sizes += [0] * (count - len(sizes))
        told = [{"created_by": entry.get("CreatedBy"), "empty_layer": not made} for entry, made in zip(history, makes)]
        return Image(
            id=facts["Id"],
            tags=list(facts.get("RepoTags") or []),
            platform=platform_of(facts),
            config=checked_config({"config": facts.get("Config") or {}, "history": told}),
            layers=[Blob(size) for size in sizes],
        )

    def _saved(self, name: str, facts: dict[str, Any]) -> list[Image]:
        """From the files themselves: the stream that docker save would write."""
        with self._errors():
            images = read_archive(
                self._api.get_image(facts["Id"], chunk_size=_PIECE), f"what the engine saves of {name}"
            )
        for image in images:
            image.tags = list(facts.get("RepoTags") or [])
        if len(images) == 1:
            images[0].id = facts["Id"]
        return images

    def project_images(self, project: str) -> dict[str, str]:
        """The image id of each service of a Compose project, from its containers or else its built images."""
        filters = {"label": f"{_PROJECT}={project}"}
        with self._errors():
            containers = self._api.containers(all=True, filters=filters)
            images = [] if containers else self._api.images(filters=filters)
        services = {item["Labels"].get(_SERVICE, item["Id"][:12]): item["ImageID"] for item in containers}
        return services or {(item.get("Labels") or {}).get(_SERVICE, item["Id"][7:19]): item["Id"] for item in images}

    def projects(self) -> list[str]:
        """The Compose projects that have containers."""
        with self._errors():
            containers = self._api.containers(all=True, filters={"label": _PROJECT})
        return sorted({item["Labels"][_PROJECT] for item in containers})

    def running(self, project: str) -> list[tuple[str, str]]:
        """What the containers of a project run: the reference they were started with, and the image id."""
        with self._errors():
            containers = self._api.containers(filters={"label": f"{_PROJECT}={project}"})
        return [(item["Image"], item["ImageID"]) for item in containers]


def with_sizes(image: Image, history: list[dict[str, Any]]) -> Image:
    """The image with the engine's own layer sizes, which leave out link targets where it built the layer itself."""
    steps = image.config.get("history") or []
    sizes = [entry["Size"] for entry, step in zip(history, steps) if not step.get("empty_layer")]
    if len(history) == len(steps) and len(sizes) == len(image.layers):
        for layer, size in zip(image.layers, sizes):
            layer.size = size
    return image


def connect(options: dict[str, Any]) -> ImageEngine:
    """Reach an engine as the docker command would: by socket, tcp, TLS or ssh.

    Raises:
        UserError: The SDK is missing, or nothing answers there.
    """
    try:
        import docker
        import docker.errors
        import requests.exceptions
    except ImportError:
        raise UserError(
            "the Docker SDK for Python is missing where the gate runs: install python3-docker (Debian, Ubuntu)"
            " or pip install docker"
        )
    address = options.get("docker_host") or "unix:///var/run/docker.sock"
    try:
        tls: Any = False
        if options.get("tls"):
            pair = (options["client_cert"], options["client_key"]) if options.get("client_cert") else None
            tls = docker.tls.TLSConfig(
                client_cert=pair, ca_cert=options.get("ca_path"), verify=options.get("validate_certs", True)
            )
        api = docker.APIClient(
            base_url=address,
            version="auto",
            timeout=options.get("timeout", 60),
            tls=tls,
            use_ssh_client=address.startswith("ssh://"),
        )
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError, ValueError) as error:
        raise engine_error(error, address)
    return ImageEngine(api, address)


def engine_error(error: BaseException, address: str) -> UserError:
    """The one sentence that tells a person why the engine cannot be used."""
    text = " ".join(str(error).split())
    if "PermissionError" in text or "Permission denied" in text or isinstance(error, PermissionError):
        return UserError(f"docker_host: permission denied on {address}; run with become, or join the group docker")
    if any(sign in text for sign in _NOBODY):
        return UserError(f"docker_host: no engine answers at {address}; start it, or set docker_host")
    if "paramiko" in text:
        return UserError(f"docker_host: {address} needs paramiko: install python3-paramiko (Debian, Ubuntu)")
    if "timed out" in text.lower():
        return UserError(f"docker_host: the engine at {address} did not answer in time; raise timeout")
    return UserError(f"docker_host: the engine at {address} failed: {text[:300]}")


def _matching(images: list[Image], platform: str, facts: dict[str, Any], name: str) -> Image:
    """The image of the platform asked for; without one, of the engine's own."""
    if len(images) == 1 and not platform:
        return images[0]
    return fitting(images, platform or platform_of(facts), name)[0]
