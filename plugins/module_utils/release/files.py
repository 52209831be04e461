# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rendered files of a release, and the id that follows from them."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..files import sync_directory, write_whole
from ..stack import Service
from ..stack import compose as render
from ..stack.override import secrets_override
from . import carried
from .engine import Image, Project
from .run import Run


@dataclass(frozen=True)
class Rendered:
    """What would be written for a project."""

    compose: str
    override: str
    fingerprints: dict[str, str]
    """Of the secrets that its services take, by service and variable."""

    @property
    def id(self) -> str:
        secrets = json.dumps(self.fingerprints, sort_keys=True)
        return hashlib.sha256(f"{self.compose}\0{secrets}".encode()).hexdigest()[:12]


def keep_tag(run: Run, service: str, image: Image) -> str:
    """The tag under which an image stays on the server for as long as a release needs it."""
    return f"sluice/{run.stack.name}-{service}:{image.id.removeprefix('sha256:')[:12]}"


def render_release(run: Run, images: Mapping[str, Image], start_interval: bool) -> Rendered:
    stack = run.stack
    references, mute = _references(run, images), _mute(run, stack.released, images)
    mounts = carried.places(stack.released, carried.RELEASE)
    compose = render.release_compose(stack, references, run.settings.edge_network, start_interval, mute, mounts)
    return _rendered(run, stack.released, compose)


def render_data(run: Run, images: Mapping[str, Image], start_interval: bool) -> Rendered:
    mute = _mute(run, run.stack.stateful, images)
    mounts = carried.places(run.stack.stateful, carried.DATA)
    compose = render.data_compose(run.stack, _references(run, images), start_interval, mute, mounts)
    return _rendered(run, run.stack.stateful, compose)


def id_by_digests(run: Run, data: Rendered, images: Mapping[str, Image]) -> str:
    """The id of the same data services as version 0.1 rendered it; their containers need no new start for it."""
    text = data.compose
    for service in run.stack.stateful:
        image = images[service.name]
        if image.digest:
            text = text.replace(
                keep_tag(run, service.name, image), f"{image.reference.partition('@')[0]}@{image.digest}"
            )
    return replace(data, compose=text).id


def diff(run: Run, rendered: Rendered) -> dict[str, str]:
    """What changes in the Compose file of what serves, as Ansible shows it; empty for nothing."""
    current = run.state.serving().current
    old = run.state.release_directory(current.release) / "compose.yml" if current else None
    before = old.read_text(encoding="utf-8") if old and old.exists() else ""
    if not any(difflib.unified_diff(before.splitlines(), rendered.compose.splitlines())):
        return {}
    return {
        "before": before,
        "after": rendered.compose,
        "before_header": "serving",
        "after_header": "compose.yml",
    }


def write_project(
    run: Run, directory: Path, rendered: Rendered, services: Sequence[Service], images: Mapping[str, Image]
) -> None:
    """The directory of a project: Compose files, secrets by environment and as files, all for root alone."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    sync_directory(directory.parent)
    write_whole(directory / "compose.yml", rendered.compose)
    write_whole(directory / "secrets.yml", rendered.override)
    for service in services:
        carried.write(service, directory / (carried.DATA if service.stateful else carried.RELEASE))
        for secret in service.secrets:
            if secret.kind == "file":
                place = directory / "secrets" / service.name
                for made in (place.parent, place):
                    made.mkdir(mode=0o700, exist_ok=True)
                write_whole(place / secret.name, run.secrets[secret.name], 0o400)
                owner = secret.uid if secret.uid is not None else _owner(run, service, images[service.name])
                if owner:
                    os.chown(place / secret.name, owner, owner)


def write_colour(project: Project) -> None:
    """Lets a person run `docker compose ps` in the release's directory."""
    lines = {
        "COLOUR": project.colour,
        "COMPOSE_PROJECT_NAME": project.name,
        "COMPOSE_FILE": "compose.yml:secrets.yml",
    }
    write_whole(project.directory / ".env", "".join(f"{key}={value}\n" for key, value in lines.items()))


def _references(run: Run, images: Mapping[str, Image]) -> dict[str, str]:
    # A registry's digest stops to name an image when its tag moves on, where the engine stores it as containerd does.
    return {name: keep_tag(run, name, image) for name, image in images.items()}


def _mute(run: Run, services: Sequence[Service], images: Mapping[str, Image]) -> set[str]:
    """Services with a health `path` whose images hold nothing that could ask for it; found out once for each image."""
    asked = [s for s in services if s.health and s.health.path and not s.health.command and images[s.name].id]
    known = run.state.known_to_ask()
    new = {i: run.engine.can_ask(images[s.name]) for s in asked if (i := images[s.name].id) not in known}
    if new:
        run.state.note_who_can_ask(new)
    return {s.name for s in asked if not {**known, **new}[images[s.name].id]}


def _rendered(run: Run, services: Sequence[Service], compose: render.Compose) -> Rendered:
    taken = {f"{s.name}.{e.place}": run.secrets[e.name] for s in services for e in s.secrets}
    override = secrets_override(services, run.secrets)
    return Rendered(render.compose_text(compose), override, run.state.fingerprints(taken))


def _owner(run: Run, service: Service, image: Image) -> int:
    """Whose file a secret is: only the service's user may read it, and root."""
    user = (service.user or image.user).partition(":")[0]
    if user in ("", "root"):
        return 0
    return int(user) if user.isdigit() else run.engine.user_id(image, user)
