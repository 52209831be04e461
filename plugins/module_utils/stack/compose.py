# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a stack to its Compose files.

A release's file leaves the colour open (`${COLOUR}`): the same release has the same file, and the same id,
whichever colour it happens to run as.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .compose_runtime import healthcheck, literal, literals, seconds, with_runtime
from .model import Service, Stack
from .parts import Port, Volume
from .yamlout import to_yaml

HEADER = "# Rendered by sluice.deploy; an edit here is lost with the next release.\n"
Compose = dict[str, Any]
Files = Mapping[str, Sequence[str]]
"""Where the files of each service lie, in the order in which it lists them; relative to the project's directory."""


def release_compose(
    stack: Stack,
    images: Mapping[str, str],
    edge_network: str,
    start_interval: bool,
    mute: Collection[str] = (),
    files: Files | None = None,
) -> Compose:
    """The services that a release replaces.

    Args:
        mute: Services whose images hold nothing that could ask for a health `path`: the engine is given no check,
            which could only fail; a release asks from outside.
    """
    return _compose(stack, stack.released, images, edge_network, start_interval, mute, files or {})


def data_compose(
    stack: Stack,
    images: Mapping[str, str],
    start_interval: bool,
    mute: Collection[str] = (),
    files: Files | None = None,
) -> Compose:
    """The stateful services, which stay while releases come and go."""
    return _compose(stack, stack.stateful, images, "", start_interval, mute, files or {})


def compose_text(compose: Compose) -> str:
    return HEADER + to_yaml(compose)


def _compose(
    stack: Stack,
    services: tuple[Service, ...],
    images: Mapping[str, str],
    edge_network: str,
    start_interval: bool,
    mute: Collection[str],
    files: Files,
) -> Compose:
    networks: Compose = {"private": {"name": stack.network, "external": True}}
    if edge_network and any(s.role == "web" and not s.stateful for s in services):
        networks["edge"] = {"name": edge_network, "external": True}
    rendered = {
        s.name: _service(stack, s, images[s.name], edge_network, start_interval, mute, files.get(s.name, ()))
        for s in services
    }
    compose: Compose = {"services": rendered, "networks": networks}
    volumes = {v.source: _named_volume(stack, v) for s in services for v in s.volumes if v.named}
    if volumes:
        compose["volumes"] = dict(sorted(volumes.items()))
    if any(e.kind == "file" for s in services for e in s.secrets):
        compose["secrets"] = {
            f"{s.name}_{e.name}": {"file": f"./secrets/{s.name}/{e.name}"}
            for s in services
            for e in s.secrets
            if e.kind == "file"
        }
    return compose


def _service(
    stack: Stack,
    service: Service,
    image: str,
    edge_network: str,
    start_interval: bool,
    mute: Collection[str],
    files: Sequence[str],
) -> Compose:
    rendered: Compose = {
        "image": image,
        # Compose numbers the containers of a service by itself, and names them by its project.
        "container_name": stack.container(service) if service.replicas == 1 else "",
        "restart": "no" if service.role == "job" else "unless-stopped",
        "entrypoint": [literal(a) for a in service.entrypoint],
        "command": [literal(a) for a in service.command],
        "user": service.user,
        "environment": _environment(service),
        "secrets": [
            {"source": f"{service.name}_{e.name}", "target": e.path or e.name}
            for e in service.secrets
            if e.kind == "file"
        ],
        "healthcheck": {} if service.name in mute else healthcheck(stack, service, start_interval),
        "depends_on": _dependencies(stack, service, mute),
        "networks": _networks(stack, service, edge_network),
        "external_links": _links(stack, service),
        "ports": [_port(p) for p in service.publish],
        "volumes": [*map(_volume, service.volumes), *_files(service, files)],
        "tmpfs": [literal(t) for t in service.tmpfs],
        "stop_grace_period": seconds(service.stop_grace),
        "read_only": service.read_only,
        "security_opt": ["no-new-privileges:true"],
        "cap_drop": list(service.cap_drop),
        "cap_add": list(service.cap_add),
        "deploy": _limits(service),
        "logging": literals(stack.logging),
    }
    rendered = {key: value for key, value in rendered.items() if value}
    return with_runtime(rendered, service)


def _environment(service: Service) -> dict[str, str]:
    env = {key: literal(value) for key, value in service.env.items()}
    env.update({e.variable: e.mount for e in service.secrets if e.kind == "file" and e.variable})
    return env


def _dependencies(stack: Stack, service: Service, mute: Collection[str]) -> Compose:
    together = {s.name: s for s in (stack.stateful if service.stateful else stack.released)}
    needs = {name: condition for name, condition in stack.needs(service).items() if name in together}
    return {name: {"condition": _condition(together[name], condition, mute)} for name, condition in needs.items()}


def _condition(service: Service, condition: str, mute: Collection[str]) -> str:
    if condition == "completed":
        return "service_completed_successfully"
    # Compose refuses to wait for the health of what it is given no check for.
    known = service.health and not service.health.none and service.name not in mute
    return "service_healthy" if condition == "healthy" and known else "service_started"


def _networks(stack: Stack, service: Service, edge_network: str) -> Compose:
    private: list[str] = list(service.aliases) if service.stateful else []
    if service.replicas > 1:
        private.append(stack.container(service))
    networks: Compose = {"private": {"aliases": private} if private else {}}
    if edge_network and service.role == "web" and not service.stateful:
        networks["edge"] = {"aliases": [stack.alias("${COLOUR}", service.name)]}
    return networks


def _links(stack: Stack, service: Service) -> list[str]:
    """Siblings by their plain names.

    Both colours share the private network, and all stacks share the edge's: there `api` may mean another
    release's or another stack's. A link is asked before either network, and needs no container to exist yet.
    """
    if service.stateful:
        return []
    siblings = (s for s in stack.services.values() if s.name != service.name and s.role != "job")
    return [f"{stack.container(s)}:{name}" for s in siblings for name in (s.name, *s.aliases)]


def _named_volume(stack: Stack, volume: Volume) -> Compose:
    if not volume.driver and not volume.driver_opts:
        return {"name": stack.volume(volume), "external": True}
    options = {key: literal(value) for key, value in volume.driver_opts.items()}
    rendered: Compose = {"name": stack.volume(volume), "driver": volume.driver, "driver_opts": options}
    return {key: value for key, value in rendered.items() if value}


def _port(port: Port) -> Compose:
    rendered = {"target": port.port, "published": str(port.published), "protocol": port.protocol}
    return rendered | ({"host_ip": port.address} if port.address else {})


def _volume(volume: Volume) -> Compose | str:
    if volume.nocopy or volume.propagation or volume.subpath:
        options: Compose = {"nocopy": True} if volume.nocopy else {}
        options |= {"subpath": literal(volume.subpath)} if volume.subpath else {}
        return {
            "type": "volume" if volume.named else "bind",
            "source": literal(volume.source),
            "target": literal(volume.path),
            "read_only": volume.read_only,
            **({"volume": options} if options else {}),
            **({"bind": {"propagation": volume.propagation}} if volume.propagation else {}),
        }
    mount = literal(f"{volume.source}:{volume.path}" if volume.source else volume.path)
    return f"{mount}:ro" if volume.read_only else mount


def _files(service: Service, places: Sequence[str]) -> list[str]:
    mounts = zip(service.files, places, strict=True)
    return [f"{place}:{literal(file.path)}{':ro' if file.read_only else ''}" for file, place in mounts]


def _limits(service: Service) -> Compose:
    limits: Compose = {}
    if service.limits.memory:
        limits["memory"] = service.limits.memory
    if service.limits.cpus is not None:
        limits["cpus"] = f"{service.limits.cpus:g}"
    if service.limits.pids is not None:
        limits["pids"] = service.limits.pids
    return {"resources": {"limits": limits}} if limits else {}
