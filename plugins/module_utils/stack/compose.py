# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a stack to its Compose files.

A release's file leaves the colour open (`${COLOUR}`): the same release has the same file, and the same id,
whichever colour it happens to run as.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .model import Health, Service, Stack
from .yamlout import to_yaml

HEADER = "# Rendered by sluice.deploy; an edit here is lost with the next release.\n"
Compose = dict[str, Any]


def release_compose(
    stack: Stack, images: Mapping[str, str], edge_network: str, start_interval: bool, mute: Collection[str] = ()
) -> Compose:
    """The services that a release replaces.

    Args:
        mute: Services whose images hold nothing that could ask for a health `path`: the engine is given no check,
            which could only fail; a release asks from outside.
    """
    return _compose(stack, stack.released, images, edge_network, start_interval, mute)


def data_compose(stack: Stack, images: Mapping[str, str], start_interval: bool, mute: Collection[str] = ()) -> Compose:
    """The stateful services, which stay while releases come and go."""
    return _compose(stack, stack.stateful, images, "", start_interval, mute)


def compose_text(compose: Compose) -> str:
    return HEADER + to_yaml(compose)


def environment_override(services: Iterable[Service], values: Mapping[str, str]) -> str:
    """The secrets that services take by environment: a Compose file of its own, for mode 0600.

    Compose's `.env` dialects differ between versions in how they treat quotes and line feeds;
    a YAML string with `$` doubled arrives unchanged in all of them.
    """
    override = {
        s.name: {"environment": {e.variable: _literal(values[e.name]) for e in s.secrets if e.kind == "env"}}
        for s in services
        if any(e.kind == "env" for e in s.secrets)
    }
    return HEADER + to_yaml({"services": override})


def with_value(override: str, service: str, variable: str, value: str) -> str:
    """An override with another value in place of the one that `environment_override` gave the variable."""
    lines, within = override.splitlines(), ""
    line = to_yaml({variable: _literal(value)}).rstrip()
    key = line.partition(": ")[0]
    for number, old in enumerate(lines):
        if old.startswith("  ") and not old.startswith("   "):
            within = old.strip().rstrip(":")
        elif within == service and old.startswith(f"      {key}: "):
            lines[number] = f"      {line}"
    return "\n".join(lines) + "\n"


def _compose(
    stack: Stack,
    services: tuple[Service, ...],
    images: Mapping[str, str],
    edge_network: str,
    start_interval: bool,
    mute: Collection[str],
) -> Compose:
    networks: Compose = {"private": {"name": stack.network, "external": True}}
    if edge_network and any(s.role == "web" and not s.stateful for s in services):
        networks["edge"] = {"name": edge_network, "external": True}
    rendered = {s.name: _service(stack, s, images[s.name], edge_network, start_interval, mute) for s in services}
    compose: Compose = {"services": rendered, "networks": networks}
    volumes = sorted({v.source for s in services for v in s.volumes if v.named})
    if volumes:
        compose["volumes"] = {v: {"name": stack.volume(v), "external": True} for v in volumes}
    files = sorted({e.name for s in services for e in s.secrets if e.kind == "file"})
    if files:
        compose["secrets"] = {
            f"{s.name}_{e.name}": {"file": f"./secrets/{s.name}/{e.name}"}
            for s in services
            for e in s.secrets
            if e.kind == "file"
        }
    return compose


def _service(
    stack: Stack, service: Service, image: str, edge_network: str, start_interval: bool, mute: Collection[str]
) -> Compose:
    rendered: Compose = {
        "image": image,
        "container_name": stack.container(service),
        "restart": "unless-stopped",
        "entrypoint": [_literal(a) for a in service.entrypoint],
        "command": [_literal(a) for a in service.command],
        "user": service.user,
        "environment": _environment(service),
        "secrets": [
            {"source": f"{service.name}_{e.name}", "target": e.name} for e in service.secrets if e.kind == "file"
        ],
        "healthcheck": {} if service.name in mute else _healthcheck(stack, service, start_interval),
        "depends_on": _dependencies(stack, service, mute),
        "networks": _networks(stack, service, edge_network),
        "external_links": _links(stack, service),
        "volumes": [_volume(v.source, v.path, v.read_only) for v in service.volumes],
        "tmpfs": [_literal(t) for t in service.tmpfs],
        "stop_grace_period": _seconds(service.stop_grace),
        "read_only": service.read_only,
        "security_opt": ["no-new-privileges:true"],
        "cap_drop": list(service.cap_drop),
        "cap_add": list(service.cap_add),
        "deploy": _limits(service),
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}},
    }
    return {key: value for key, value in rendered.items() if value}


def _environment(service: Service) -> dict[str, str]:
    env = {key: _literal(value) for key, value in service.env.items()}
    env.update({e.variable: e.mount for e in service.secrets if e.kind == "file"})
    return env


def _healthcheck(stack: Stack, service: Service, start_interval: bool) -> Compose:
    health = service.health
    if not health:
        return {}
    check: Compose = {
        "test": _probe(health, service.port, stack.domain),
        "interval": _seconds(health.interval),
        "timeout": _seconds(health.timeout),
        "retries": health.retries,
        "start_period": _seconds(health.start_period),
    }
    if start_interval:
        # A release asks a path by itself, and faster: the engine's word then only follows.
        check["start_interval"] = "1s" if health.path and not health.command else "500ms"
    return check


# What `_probe` needs of an image, as a command of its shell.
HAS_A_CLIENT = "command -v curl || command -v wget || command -v node || command -v python3"


def _probe(health: Health, port: int | None, domain: str) -> list[str]:
    if health.command:
        return ["CMD", *(_literal(a) for a in health.command)]
    url = f"http://127.0.0.1:{port}{health.path}"
    # Images differ in what they carry: the first of these that is there and content decides.
    # They ask as the edge does: an app may refuse another host, or redirect what is not https.
    headers = {"Host": domain} if domain else {}
    headers["X-Forwarded-Proto"] = "https"
    curl = "".join(f" -H '{key}: {value}'" for key, value in headers.items())
    wget = "".join(f" --header '{key}: {value}'" for key, value in headers.items())
    told = ",".join(f"'{key}':'{value}'" for key, value in headers.items())
    tries = (
        f"curl -fsS -o /dev/null{curl} '{url}'",
        f"wget -q -O /dev/null{wget} '{url}'",
        f"node -e \"require('http').get('{url}',{{headers:{{{told}}}}},"
        "r=>process.exit(r.statusCode<300?0:1)).on('error',()=>process.exit(1))\"",
        f"python3 -c \"import http.client as h;c=h.HTTPConnection('127.0.0.1',{port});"
        f"c.request('GET','{health.path}',headers={{{told}}});exit(c.getresponse().status>299)\"",
    )
    return ["CMD-SHELL", " || ".join(tries)]


def _dependencies(stack: Stack, service: Service, mute: Collection[str]) -> Compose:
    if service.stateful or service.role == "web":
        return {}
    return {s.name: {"condition": "service_started" if s.name in mute else "service_healthy"} for s in stack.web}


def _networks(stack: Stack, service: Service, edge_network: str) -> Compose:
    networks: Compose = {"private": {}}
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
    siblings = (s for s in stack.services.values() if s.name != service.name)
    return [f"{stack.container(s)}:{s.name}" for s in siblings]


def _volume(source: str, path: str, read_only: bool) -> str:
    mount = _literal(f"{source}:{path}")
    return f"{mount}:ro" if read_only else mount


def _limits(service: Service) -> Compose:
    limits: Compose = {}
    if service.limits.memory:
        limits["memory"] = service.limits.memory
    if service.limits.cpus is not None:
        limits["cpus"] = f"{service.limits.cpus:g}"
    if service.limits.pids is not None:
        limits["pids"] = service.limits.pids
    return {"resources": {"limits": limits}} if limits else {}


def _literal(value: str) -> str:
    """Compose replaces variables in every string of its file."""
    return value.replace("$", "$$")


def _seconds(value: float) -> str:
    return f"{value:g}s" if value >= 1 else f"{round(value * 1000)}ms"
