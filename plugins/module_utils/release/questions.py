# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release asks the engine, over its socket.

A release asks often, most of all while it waits: a question costs the socket a few milliseconds, and the docker
command, which is a process each time, many times that.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

from ..docker.api import SOCKET, DockerApi
from ..docker.containers import PROJECT, adopted_name, parse_container
from ..docker.store import is_containerd
from ..errors import DockerError, EngineError, UserError
from .engine import Container, Image

_P = ParamSpec("_P")
_T = TypeVar("_T")


def understood(question: Callable[_P, _T]) -> Callable[_P, _T]:
    """An answer of another form than the engine's is trouble with the engine."""

    @functools.wraps(question)
    def asked(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return question(*args, **kwargs)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise EngineError(f"the engine's answer is of a form that it never has ({type(error).__name__}: {error})")

    return asked


class Questions:
    """The part of Engine that changes nothing."""

    def __init__(self, timeout: float = 60) -> None:
        # The docker command honours the same variable.
        self._address = os.environ.get("DOCKER_HOST") or SOCKET
        self._api_timeout = timeout

    @understood
    def start_interval(self) -> bool:
        major, _, minor = str(self._ask("/version")["ApiVersion"]).partition(".")
        return (int(major), int(minor)) >= (1, 44)

    @understood
    def image(self, reference: str) -> Image | None:
        found = self._find(f"/images/{quote(reference)}/json")
        if found is None:
            return None
        repository = _repository(reference)
        digests = [d.partition("@")[2] for d in found.get("RepoDigests") or [] if _repository(d) == repository]
        return Image(
            id=found["Id"],
            reference=reference,
            digest=digests[0] if digests else "",
            user=(found.get("Config") or {}).get("User") or "",
            size=found.get("Size") or 0,
            platform="/".join(part for key in ("Os", "Architecture", "Variant") if (part := found.get(key))),
        )

    @understood
    def free_bytes(self) -> int:
        root = str(self._ask("/info")["DockerRootDir"])
        return shutil.disk_usage(root if Path(root).is_dir() else "/").free

    @understood
    def papers(self, image: Image) -> dict[str, Any]:
        steps = self._ask(f"/images/{image.id}/history")
        config = self._ask(f"/images/{image.id}/json").get("Config") or {}
        # Oldest first, as an image's own paper has them.
        history = [{"created_by": str(s.get("CreatedBy") or ""), "Size": s.get("Size") or 0} for s in steps[::-1]]
        return {"config": {"Env": [str(entry) for entry in config.get("Env") or []]}, "history": history}

    @understood
    def counts_files(self) -> bool:
        return not is_containerd(self._ask("/info"))

    def archive(self, image: Image) -> Iterator[bytes]:
        try:
            yield from DockerApi(self._address, self._api_timeout).stream("/images/{}/get", image.id)
        except DockerError as error:
            raise EngineError(str(error))
        except (UserError, OSError, http.client.HTTPException) as error:
            raise EngineError(
                f"what the engine saves of {image.reference} was cut off ({error or type(error).__name__})"
            )

    @understood
    def has_network(self, name: str) -> bool:
        # The filter takes a part of a name, too.
        named = self._ask("/networks", filters=json.dumps({"name": [name]}))
        return any(network["Name"] == name for network in named)

    @understood
    def tags(self, pattern: str) -> list[str]:
        found = self._ask("/images/json", filters=json.dumps({"reference": [pattern]}))
        return sorted(tag for image in found for tag in image.get("RepoTags") or [] if fnmatchcase(tag, f"{pattern}:*"))

    @understood
    def volumes(self, prefix: str) -> list[str]:
        found = self._ask("/volumes", filters=json.dumps({"label": ["deploy.sluice=true"]}))["Volumes"] or []
        return sorted(volume["Name"] for volume in found if volume["Name"].startswith(prefix))

    @understood
    def volume_path(self, name: str) -> Path | None:
        found = self._find(f"/volumes/{name}")
        return Path(found["Mountpoint"]) if found else None

    @understood
    def containers(self, project: str) -> list[Container]:
        # One that vanishes between the two questions is as good as gone.
        inspected = [self._find(f"/containers/{c['Id']}/json") for c in self._listed(project)]
        found = [parse_container(c) for c in inspected if c]
        return sorted((c for c in found if c), key=lambda c: c.name)

    @understood
    def _listed(self, project: str) -> list[dict[str, Any]]:
        wanted = [{"label": [f"{PROJECT}={project}"]}]
        if project.endswith("-data"):
            wanted.append({"label": [PROJECT], "name": [f"^/?{re.escape(adopted_name(project, ''))}"]})
        found = [c for w in wanted for c in self._ask("/containers/json", all="1", filters=json.dumps(w))]
        return [
            {"Id": c["Id"], "Name": (c.get("Names") or [""])[0].lstrip("/"), "Labels": c.get("Labels") or {}}
            for c in found
        ]

    def _find(self, path: str) -> Any:
        """The answer, or `None` when there is no such thing."""
        try:
            return self._ask(path)
        except EngineError as error:
            said = str(error).lower()
            if "no such" in said or said.endswith(" not found"):
                return None
            raise

    def _ask(self, path: str, **query: str) -> Any:
        return self._spoken(path, lambda api: api.get(path, **query))

    def _change(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        return self._spoken(path, lambda api: api.change(method, path, body=body, **query))

    def _spoken(self, path: str, speak: Callable[[DockerApi], Any]) -> Any:
        try:
            return speak(DockerApi(self._address, self._api_timeout))
        except DockerError as error:
            raise EngineError(str(error))
        except (UserError, OSError):
            raise EngineError(
                f"no engine answers at {self._address}: run the docker_host role, or see systemctl status docker"
            )
        except (http.client.HTTPException, ValueError) as error:
            # One that is being stopped ends in the middle of its answer.
            raise EngineError(f"the engine's answer to {path} was cut off or is none ({type(error).__name__})")


def _repository(reference: str) -> str:
    name = reference.partition("@")[0]
    path, _, last = name.rpartition("/")
    name = f"{path}/{last.partition(':')[0]}" if path else last.partition(":")[0]
    return name.removeprefix("docker.io/").removeprefix("library/")
