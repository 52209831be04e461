"""A world without Docker that behaves like one in what a release relies on, and can break at any moment."""

from __future__ import annotations

import copy
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.sluice.deploy.plugins.module_utils.docker.containers import adopted_name
from ansible_collections.sluice.deploy.plugins.module_utils.errors import EdgeError, EngineError
from ansible_collections.sluice.deploy.plugins.module_utils.release.engine import Container, Image, Project
from ansible_collections.sluice.deploy.plugins.module_utils.release.run import Run, Settings
from ansible_collections.sluice.deploy.plugins.module_utils.stack import Build, Colour
from ansible_collections.sluice.deploy.plugins.module_utils.stack.directory import StackState
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack


@cache
def compose_services(text: str) -> dict[str, Any]:
    """The services of a Compose file; few files are read over and over."""
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    return services


class Killed(BaseException):
    """kill -9: nothing catches it, no clean-up runs."""


class World:
    """What outlives a run: containers, images, whom the edge points at; and the moment at which it breaks."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self.images: dict[str, Image] = {}
        self.registry: set[str] = set()
        self.edge: Colour | None = None
        self.networks: set[str] = set()
        self.volumes: set[str] = set()
        self.broken_images: set[str] = set()
        self.mute: set[str] = set()
        """Images that hold nothing that sends requests."""
        self.asked: list[str] = []
        self.hook_status = 0
        self.events: list[str] = []
        self.unserved: list[str] = []
        self.judge_service = True
        self.effects = 0
        self.kill_at: int | None = None
        self.fail_at: int | None = None
        self.break_at: int | None = None
        self.breaks: type[Exception] | None = None
        """The kind of trouble that every effect of its kind meets from `break_at` on."""
        self.answers = False
        """Whether an engine in trouble answers questions: it only refuses changes then."""
        self.lasts: int | None = None
        """How often it is met, as by an engine that restarts; without end by default."""

    def effect(self, what: str, change: Callable[[], Any], error: Callable[[str], Exception] = EngineError) -> Any:
        """One step that changes the world: it may refuse, or the run be killed just before."""
        self._moment()
        if self.fail_at == self.effects:
            self.fail_at = None
            raise error(f"{what}: refused")
        if self.broken(error):
            raise error(f"{what}: no more")
        result = change()
        self.events.append(what)
        self.judge(what)
        return result

    def broken(self, kind: Any) -> bool:
        if self.breaks is not kind or self.break_at is None or self.effects < self.break_at:
            return False
        if self.lasts is not None:
            self.lasts -= 1
            if self.lasts < 0:
                self.heal()
                return False
        return True

    def question(self) -> None:
        """One to the engine, which changes nothing."""
        if not self.answers and self.broken(EngineError):
            raise EngineError("no engine answers")

    def heal(self) -> None:
        self.kill_at = self.fail_at = self.break_at = self.breaks = self.lasts = None
        self.answers = False

    def _moment(self) -> None:
        self.effects += 1
        if self.kill_at == self.effects:
            self.kill_at = None
            raise Killed

    def judge(self, what: str) -> None:
        """Whom the edge points at must run: else a request would have been lost just now."""
        if not self.edge or not self.judge_service:
            return
        web = [c for c in self.containers.values() if c.name.startswith(f"crm-{self.edge}-web")]
        if not web or not all(c.running for c in web):
            self.unserved.append(what)


class Beginning:
    """A world and its disk as they are now, to begin from again at each moment: to copy them costs less than to build."""

    def __init__(self, world: World, place: Path) -> None:
        self._world, self._place, self._kept = world, place, place.with_name(f"{place.name}.kept")
        self._then = copy.deepcopy(vars(world))
        shutil.copytree(place, self._kept, symlinks=True)

    def again(self) -> None:
        """The same world, as it was, at the same place."""
        vars(self._world).update(copy.deepcopy(self._then))
        _as_kept(self._kept, self._place)


def _as_kept(kept: Path, place: Path) -> None:
    """Only what differs is written, since most of a tree stays as it was, and a disk may be slow."""
    before, now = ({e.name: e for e in os.scandir(directory)} for directory in (kept, place))
    for name in now.keys() - before.keys():
        _drop(now[name])
    for name, entry in before.items():
        there = now.get(name)
        if there and _looks(there) == _looks(entry):
            if entry.is_dir(follow_symlinks=False):
                _as_kept(kept / name, place / name)
            continue
        if there:
            _drop(there)
        if entry.is_dir(follow_symlinks=False):
            shutil.copytree(entry.path, place / name, symlinks=True)
        else:
            shutil.copy2(entry.path, place / name, follow_symlinks=False)


def _looks(entry: os.DirEntry[str]) -> tuple[int, ...]:
    """What tells a file that was written meanwhile; a directory is told by what is in it."""
    found = entry.stat(follow_symlinks=False)
    return (found.st_mode, found.st_mtime_ns, found.st_size) if stat.S_ISREG(found.st_mode) else (found.st_mode,)


def _drop(entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path)
    else:
        os.unlink(entry.path)


class FakeEngine:
    def __init__(self, world: World) -> None:
        self.world = world

    def wait(self, seconds: float) -> bool:
        if self.world.lasts is not None:
            self.world.heal()
        return True

    def start_interval(self) -> bool:
        return True

    def image(self, reference: str) -> Image | None:
        return self.world.images.get(reference)

    def pull(self, reference: str, platform: str = "") -> Image:
        if reference not in self.world.registry:
            raise EngineError(f"manifest for {reference} not found")
        digest = "sha256:" + reference[-1] * 64
        return self.world.effect(f"pull {reference}", lambda: self.add_image(reference, digest, platform))

    def add_image(self, reference: str, digest: str = "", platform: str = "") -> Image:
        image = Image(
            f"sha256:{hashlib.sha256((reference + platform).encode()).hexdigest()}",
            reference,
            digest,
            platform=platform,
        )
        self.world.images[reference] = self.world.images[image.id] = image
        return image

    def build(
        self, build: Build, context: Path, tag: str, secrets: dict[str, Path], log: Path, platform: str = ""
    ) -> Image:
        return self.add_image(tag, platform=platform)

    def keep(self, image: Image, tag: str) -> None:
        self.world.effect(f"keep {tag}", lambda: self.world.images.__setitem__(tag, image))

    def forget(self, tag: str) -> None:
        self.world.effect(f"forget {tag}", lambda: self.world.images.pop(tag, None))

    def user_id(self, image: Image, user: str) -> int:
        return 1000

    def can_ask(self, image: Image) -> bool:
        self.world.asked.append(image.id)
        return image.reference not in self.world.mute

    def free_bytes(self) -> int:
        return 10**12

    def papers(self, image: Image) -> dict[str, Any]:
        return {"config": {"Env": []}, "history": []}

    def counts_files(self) -> bool:
        return True

    def archive(self, image: Image) -> Iterator[bytes]:
        raise EngineError("nothing is saved here")

    def tags(self, pattern: str) -> list[str]:
        return sorted(name for name in self.world.images if fnmatchcase(name, f"{pattern}:*"))

    def has_network(self, name: str) -> bool:
        return name in self.world.networks

    def ensure_network(self, name: str) -> None:
        self.world.effect(f"network {name}", lambda: self.world.networks.add(name))

    def remove_network(self, name: str) -> None:
        self.world.effect(f"no network {name}", lambda: self.world.networks.remove(name))

    def volumes(self, prefix: str) -> list[str]:
        return sorted(name for name in self.world.volumes if name.startswith(prefix))

    def ensure_volume(self, name: str, owner: int | None) -> None:
        self.world.effect(f"volume {name}", lambda: self.world.volumes.add(name))

    def remove_volume(self, name: str) -> None:
        self.world.effect(f"no volume {name}", lambda: self.world.volumes.remove(name))

    def volume_path(self, name: str) -> Path | None:
        return None

    def start_scratch(self, name: str, image: str, environment: Mapping[str, str]) -> None: ...

    def discard(self, name: str) -> None: ...

    def up(self, project: Project, services: Sequence[str], anew: bool = False) -> None:
        text = (project.directory / "compose.yml").read_text(encoding="utf-8")
        described = compose_services(text.replace("${COLOUR}", project.colour))
        for service in services:
            adopted = self.world.containers.get(adopted_name(project.name, service))
            if adopted and anew:
                self.world.effect(f"remove {adopted.name}", lambda c=adopted: self.world.containers.pop(c.name))
            elif adopted:
                continue
            self.world.effect(f"up {project.name} {service}", lambda s=service: self._start(project, s, described[s]))

    def _start(self, project: Project, service: str, described: dict[str, Any]) -> None:
        for number in range(1, described.get("deploy", {}).get("replicas", 1) + 1):
            name = described.get("container_name") or f"{project.name}-{service}-{number}"
            if described.get("container_name"):
                # One whose name is another now is recreated under it.
                for former in [c for c in self.containers(project.name) if c.service == service and c.name != name]:
                    del self.world.containers[former.name]
            self._start_one(project, service, described, name)

    def _start_one(self, project: Project, service: str, described: dict[str, Any], name: str) -> None:
        image = described["image"]
        there = self.world.containers.get(name)
        assert there is None or there.id.startswith(f"{project.name}/"), f"the name {name} is taken by {there.id}"
        broken = any(b in image for b in self.world.broken_images)
        config_hash = hashlib.sha256(repr(described).encode()).hexdigest()
        if there and there.config_hash != config_hash:
            self.world.containers[name] = replace(there, state="exited")
            self.world.judge(f"recreate {name}")
        self.world.containers[name] = Container(
            id=f"{project.name}/{name.removeprefix(f'{project.name}-') if described.get('deploy') else service}",
            name=name,
            service=service,
            state="exited" if broken else "running",
            health="" if broken or "healthcheck" not in described else "healthy",
            exit_code=1 if broken else 0,
            restarts=0,
            address="127.0.0.1",
            image=image,
            config_hash=config_hash,
        )

    def containers(self, project: str) -> list[Container]:
        self.world.question()
        return [c for c in self.world.containers.values() if c.id.startswith(f"{project}/")]

    def stop(self, project: str, services: Sequence[str] | None = None, wait: bool = True) -> None:
        for container in self.containers(project):
            if services is None or container.service in services:
                stopped = Container(**{**vars(container), "state": "exited", "health": ""})
                self.world.effect(
                    f"stop {container.id}", lambda c=stopped: self.world.containers.__setitem__(c.name, c)
                )

    def rest_command(self, project: str, services: Sequence[str]) -> list[str]:
        held = [c.id for c in self.containers(project) if c.running and c.service in services]
        return ["docker", "stop", *held] if held else []

    def pause(self, project: str, services: Sequence[str]) -> None:
        self._hold(project, "running", "paused", services)

    def unpause(self, project: str) -> None:
        self._hold(project, "paused", "running")

    def _hold(self, project: str, before: str, after: str, services: Sequence[str] | None = None) -> None:
        for found in self.containers(project):
            if found.state == before and (services is None or found.service in services):
                held = Container(**{**vars(found), "state": after})
                self.world.effect(f"{after} {found.id}", lambda c=held: self.world.containers.__setitem__(c.name, c))

    def remove(self, project: str) -> None:
        for container in self.containers(project):
            self.world.effect(f"remove {container.id}", lambda c=container: self.world.containers.pop(c.name))

    def logs(self, container: str, lines: int) -> str:
        return f"last words of {container}"

    def run_once(
        self, project: Project, service: str, command: Sequence[str], timeout: float, name: str = ""
    ) -> tuple[int, str]:
        what = f"hook {' '.join(command)}" if command else f"job {service}"
        return self.world.effect(what, lambda: (self.world.hook_status, "hook output"))

    def execute(self, container: str, command: Sequence[str], **streams: Any) -> int:
        """Whatever is asked for, the end of a dump is there."""
        if "stdout" in streams:
            streams["stdout"].write(b"CREATE DATABASE crm;\n-- PostgreSQL database dump complete\n")
        return 0


class FakeEdge:
    def __init__(self, world: World) -> None:
        self.world = world

    def serving(self) -> Colour | None:
        if self.world.broken(EdgeError):
            raise EdgeError("the edge does not say")
        return self.world.edge

    def switch(self, colour: Colour | None, upstreams: dict[str, list[str]]) -> None:
        self.world.effect(f"switch {colour}", lambda: setattr(self.world, "edge", colour), EdgeError)


class FusedState(StackState):
    """The real files on disk, each write of which counts as a moment to break at."""

    def __init__(self, root: Path, world: World) -> None:
        super().__init__(str(root), "crm")
        self.world = world
        self.create()

    def write_journal(self, journal: Any) -> None:
        self.world.effect(f"journal {journal.phase}", lambda: super(FusedState, self).write_journal(journal), OSError)

    def set_serving(self, serving: Any) -> None:
        self.world.effect("serving", lambda: super(FusedState, self).set_serving(serving), OSError)

    def append_record(self, record: dict[str, Any]) -> None:
        self.world.effect("record", lambda: super(FusedState, self).append_record(record), OSError)

    def clear_journal(self) -> None:
        self.world.effect("journal cleared", super().clear_journal, OSError)


def description(version: str, **changes: Any) -> dict[str, Any]:
    """A stack of two web services, two workers of either order and a stateful service."""
    web = {"image": f"web:{version}", "port": 3000, "health": {"command": ["true"]}, "secrets": ["TOKEN"]}
    return {
        "name": "crm",
        "services": {
            "web": web,
            "web2": web,
            "jobs": {"image": f"web:{version}", "order": "stop_first", "health": {"command": ["true"]}},
            "mail": {"image": f"web:{version}", "health": {"command": ["true"]}},
            "db": {"image": "db:1", "stateful": True, "health": {"command": ["true"]}},
        },
        "routes": [{"path": "/", "service": "web"}],
        "hooks": {
            "pre_release": {"service": "web", "command": ["migrate"]},
            "post_release": {"service": "web", "command": ["after"]},
        },
        "drain": 0,
        **changes,
    }


def run_in(world: World, root: Path, described: dict[str, Any], **settings: Any) -> Run:
    """A run in the world, with its own clock, so that waiting costs no time."""
    ticks = [0.0]

    def sleep(seconds: float) -> None:
        ticks[0] += seconds

    # Each scan costs a moment, and what it finds is not what these runs are about.
    settings.setdefault("levels", {"image_secrets": "off", "log_secrets": "off"})
    values = {"TOKEN": "a-long-token-value"}
    tools = (FusedState(root, world), FakeEngine(world), FakeEdge(world))
    return Run(
        parse_stack(described),
        described,
        values,
        Settings(**settings),
        *tools,
        sleep=sleep,
        clock=lambda: ticks[0],
    )
