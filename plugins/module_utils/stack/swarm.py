# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release's Compose file as `docker stack deploy` takes it, and what of a description a swarm has no form for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import EngineError
from .model import Service, Stack

Form = dict[str, Any]
_LARGEST = 500 * 1024

# Keys that a task has as a container has them. What else Compose knows is of one host: names, restarts and the order
# of starts, which a release and the swarm see to.
_ALIKE = ("cap_add", "cap_drop", "command", "dns", "dns_search", "domainname", "entrypoint", "environment",
          "healthcheck", "hostname", "init", "labels", "logging", "read_only", "stdin_open", "stop_grace_period",
          "stop_signal", "sysctls", "tty", "ulimits", "user", "working_dir")  # fmt: skip
_RUNTIME = {*_ALIKE, "extra_hosts", "shm_size", "platform"}


@dataclass(frozen=True)
class Content:
    """What a task finds as a file: a secret or a config of the swarm, whose name tells what it holds."""

    name: str
    place: str
    """The file on this server."""
    secret: bool
    owner: int
    mode: int

    @property
    def taken(self) -> Form:
        """How a service takes it."""
        return {"source": self.name, "uid": str(self.owner), "mode": self.mode}


def content_of(stack: str, place: str, secret: bool) -> Content:
    """A file of this server, under a name that tells what it holds.

    Raises:
        EngineError: It is none, or larger than a swarm takes.
    """
    path = Path(place)
    if not path.is_file():
        raise EngineError(f"{place} is no file: a swarm brings files to its nodes one by one, and no directories")
    told = path.stat()
    if told.st_size > _LARGEST:
        raise EngineError(f"{place} is larger than {_LARGEST} bytes, which is all that a swarm takes of a file")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    word = re.sub(r"[^A-Za-z0-9.-]", "-", path.name)[: 46 - len(stack)]
    return Content(f"{stack}-{word}-{digest}", place, secret, told.st_uid, told.st_mode & 0o777)


def mistakes(stack: Stack) -> Iterator[str]:
    """What of a description a swarm cannot do, a sentence each; of what stays on one node, nothing."""
    if stack.strategy == "recreate":
        yield "stack_strategy: a swarm runs releases beside each other; leave recreate out."
    for service in stack.released:
        yield from _mistakes(service)


def _mistakes(service: Service) -> Iterator[str]:
    where = f"stack_services.{service.name}"
    if service.build:
        yield (
            f"{where}.build: the other nodes of the swarm would lack the image; build and push it in CI, or give"
            " it a tag of its own where Ansible runs, and pull: controller, which carries that to every node."
        )
    if service.role == "job":
        return
    for key in sorted(set(service.runtime) - _RUNTIME):
        yield f"{where}.runtime.{key}: a service of a swarm has no such thing; leave it out, or make it stateful."
    for volume in service.volumes:
        if volume.source and not volume.named:
            yield (
                f"{where}.volumes: {volume.source} is a directory of one host, and the service may run on any; use a"
                " named volume, or files."
            )
        if volume.nocopy or volume.propagation or volume.subpath:
            yield f"{where}.volumes: {volume.path} has options that a swarm does not know; leave them out."
    for port in service.publish:
        if port.address:
            yield f"{where}.publish: a swarm publishes on all addresses of a node; leave {port.address} out."


def on_one_node(stack: Stack) -> list[str]:
    """What of a stack has its data on one node: its data services, and volumes of the engine."""
    found = [f"service {service.name}" for service in stack.stateful]
    for service in stack.released:
        found += [f"volume {stack.volume(v)}" for v in service.volumes if v.named and not (v.driver or v.external)]
    return list(dict.fromkeys(found))


def swarm_form(
    config: Mapping[str, Any],
    project: str,
    colour: str,
    services: Sequence[str],
    image_of: Callable[[str], str],
    keep: Callable[[str, bool], Content],
    home: str,
    options: Mapping[str, str],
) -> tuple[Form, list[Content]]:
    """The chosen services of a release, and the contents that have to be in the swarm before them.

    Args:
        config: What `docker compose config --format json` says of the release.
        project: The release's Compose project, `<stack>-<colour>`.
        image_of: Makes of an image's reference one that every node understands.
        keep: Makes of a file of this server, and whether it is a secret, a content of the swarm.
        home: This node's host name: where volumes of the engine lie, services that use them run.
        options: The driver's options for the network of this colour.
    """
    contents: dict[str, Content] = {}
    networks = {n: dict(network) for n, network in config.get("networks", {}).items()}
    form: Form = {"services": {}, "networks": {n: _outer(network) for n, network in networks.items()}}
    form["networks"][colour] = {"driver": "overlay", "attachable": True, "driver_opts": dict(options)}
    volumes: Mapping[str, Any] = config.get("volumes", {})
    secrets: Mapping[str, Any] = config.get("secrets", {})
    for name in services:
        told = config["services"][name]
        service: Form = {key: told[key] for key in _ALIKE if told.get(key) not in (None, [], {})}
        # It is found by what Compose would have written on it, in the swarm as on the node where it runs.
        labels = {"com.docker.compose.project": project, "com.docker.compose.service": name}
        service["labels"] = {**service.get("labels", {}), **labels}
        service["image"] = image_of(told["image"])
        if told.get("extra_hosts"):
            service["extra_hosts"] = [str(host).replace("=", ":", 1) for host in told["extra_hosts"]]
        if told.get("ports"):
            service["ports"] = [_port(port) for port in told["ports"]]
        mounts = [*(_tmpfs(t) for t in told.get("tmpfs") or ()), *_shared_memory(told)]
        pinned = False
        for mount in told.get("volumes") or ():
            if mount["type"] == "bind":
                content = keep(mount["source"], False)
                contents[content.name] = content
                service.setdefault("configs", []).append({**content.taken, "target": mount["target"]})
                continue
            pinned = pinned or not volumes.get(mount.get("source"), {}).get("driver")
            mounts.append({k: mount[k] for k in ("type", "source", "target", "read_only") if k in mount})
        for taken in told.get("secrets") or ():
            content = keep(secrets[taken["source"]]["file"], True)
            contents[content.name] = content
            service.setdefault("secrets", []).append({**content.taken, "target": taken["target"]})
        if mounts:
            service["volumes"] = mounts
        service["deploy"] = _deploy(told, labels, home if pinned else "")
        service["networks"] = {**_joined(told), colour: {"aliases": _aliases(config, project, name)}}
        # The swarm makes this key its name on all its networks, where without the colour it would be both releases'.
        form["services"][f"{colour}-{name}"] = service
    used = {m["source"] for s in form["services"].values() for m in s.get("volumes", ()) if m["type"] == "volume"}
    for key, sources in (("volumes", {name: _outer(volumes[name]) for name in sorted(used)}), *_of(contents)):
        if sources:
            form[key] = sources
    return form, list(contents.values())


def _of(contents: Mapping[str, Content]) -> Iterator[tuple[str, Form]]:
    for key, secret in (("secrets", True), ("configs", False)):
        yield key, {c.name: {"name": c.name, "external": True} for c in contents.values() if c.secret is secret}


def _outer(told: Mapping[str, Any]) -> Form:
    """A network or a volume; what is external has no more to say than its name."""
    if told.get("external"):
        return {"name": told["name"], "external": True}
    return {key: told[key] for key in ("name", "driver", "driver_opts") if told.get(key)}


def _joined(told: Mapping[str, Any]) -> Form:
    """The networks with their aliases; a private network is both colours', so that names there are containers'."""
    joined = {name: (network or {}).get("aliases") for name, network in (told.get("networks") or {}).items()}
    return {name: {"aliases": aliases} if aliases else {} for name, aliases in joined.items()}


def _aliases(config: Mapping[str, Any], project: str, name: str) -> list[str]:
    """What its siblings call it, by their links."""
    links = [link.partition(":") for other in config["services"].values() for link in other.get("external_links") or ()]
    return list(dict.fromkeys([name, *(alias for container, _, alias in links if container == f"{project}-{name}")]))


def _deploy(told: Mapping[str, Any], labels: Mapping[str, str], home: str) -> Form:
    wanted = told.get("deploy") or {}
    deploy: Form = {
        "replicas": wanted.get("replicas", 1),
        # Each task has an address of its own, which the edge and siblings find by name: a virtual one would hide from
        # the edge who works.
        "endpoint_mode": "dnsrr",
        "labels": dict(labels),
        "restart_policy": {"condition": "any", "delay": "1s"},
        "update_config": {"parallelism": 0},
    }
    limits = dict((wanted.get("resources") or {}).get("limits") or {})
    if "cpus" in limits:
        limits["cpus"] = str(limits["cpus"])
    if limits:
        deploy["resources"] = {"limits": limits}
    if home:
        deploy["placement"] = {"constraints": [f"node.hostname == {home}"]}
    return deploy


def _port(port: Mapping[str, Any]) -> Form:
    """On the node where the task runs: the swarm's own way there hides who asks."""
    target, published = port["target"], int(port["published"])
    return {"target": target, "published": published, "protocol": port.get("protocol", "tcp"), "mode": "host"}


def _tmpfs(text: str) -> Form:
    place, _, options = text.partition(":")
    size = next((o.partition("=")[2] for o in options.split(",") if o.startswith("size=")), "")
    return {"type": "tmpfs", "target": place, **({"tmpfs": {"size": _bytes(size)}} if size else {})}


def _shared_memory(told: Mapping[str, Any]) -> list[Form]:
    size = told.get("shm_size")
    return [{"type": "tmpfs", "target": "/dev/shm", "tmpfs": {"size": _bytes(str(size))}}] if size else []


def _bytes(size: str) -> int:
    """As the kernel reads the size of a tmpfs."""
    factor = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}.get(size[-1:].lower())
    return int(size[:-1]) * factor if factor else int(size)
