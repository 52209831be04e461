# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a stack description to a Compose file as Dokploy runs it: one project, no edge, no fixed names or networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import UserError
from ..secretvalues.tokens import token
from ..stack import Build, Hook, Service, Stack, Volume
from ..stack.compose import compose_text, data_compose, release_compose
from ..stack.model import WILDCARD

Compose = dict[str, Any]


def render_stack(stack: Stack) -> str:
    """The Compose file of a stack.

    Secrets are references to the service's environment in Dokploy; routes become domains, not labels. Networks are
    Dokploy's to add: on a shared one, a service would answer to its plain name for every stack.
    """
    for service in stack.services.values():
        if service.files:
            raise UserError(
                f"stack_services.{service.name}.files: on a Dokploy server there is no place for them; bring them in"
                " the image, or under Advanced, Volumes of the service there."
            )
        if service.build and service.build.builder:
            raise UserError(
                f"stack_services.{service.name}.build.builder: a Dokploy server builds with a builder of its own; leave"
                " this out."
            )
        if service.pull == "controller":
            raise UserError(
                f"stack_services.{service.name}.pull: a Dokploy server is not reached by SSH, so nothing of the"
                " controller is carried to it; push the image to a registry that it reaches."
            )
    images = {name: service.image for name, service in stack.services.items()}
    services: Compose = {
        **data_compose(stack, images, start_interval=False)["services"],
        **release_compose(stack, images, "", start_interval=False)["services"],
    }
    for name, service in stack.services.items():
        services[name] = _fit(stack, service, services[name])
    services |= _hooks(stack, services)
    compose: Compose = {"services": services}
    volumes = {v.source: _volume(v) for s in stack.services.values() for v in s.volumes if v.named}
    if volumes:
        compose["volumes"] = dict(sorted(volumes.items()))
    secrets = _secrets(stack)
    if secrets:
        compose["secrets"] = secrets
    return compose_text(compose)


def _fit(stack: Stack, service: Service, rendered: Compose) -> Compose:
    """A service without what presumes this collection's own edge and colours."""
    foreign = ("container_name", "external_links", "networks", "depends_on", "secrets", "image")
    fitted: Compose = {key: value for key, value in rendered.items() if key not in foreign}
    head: Compose = {"image": service.image} if service.image else {}
    if service.build:
        head["build"] = _build(service.build)
    elif service.pull != "missing":
        head["pull_policy"] = service.pull
    if service.secrets:
        by_environment = {s.variable: _reference(s.name) for s in service.secrets if s.kind == "env"}
        fitted["environment"] = {**fitted.get("environment", {}), **by_environment}
    texts = [s.name for s in service.secrets if s.kind == "text"]
    for key in fitted.keys() & {"entrypoint", "command", "healthcheck"}:
        fitted[key] = _filled_in(fitted[key], texts)
    files = [{"source": s.name, "target": s.name} for s in service.secrets if s.kind == "file"]
    if files:
        fitted["secrets"] = files
        # Compose copies a secret from the environment into the container, which a read-only root does not take.
        fitted.pop("read_only", None)
    if service.aliases:
        fitted["networks"] = {"default": {"aliases": list(service.aliases)}}
    needs = _dependencies(stack, service)
    if needs:
        fitted["depends_on"] = needs
    return {**head, **fitted}


def _filled_in(value: Any, names: Iterable[str]) -> Any:
    """What a service is started with, with references in the places of its secrets."""
    if isinstance(value, str):
        for name in names:
            value = value.replace(token(name), _reference(name))
        return value
    if isinstance(value, Mapping):
        return {key: _filled_in(item, names) for key, item in value.items()}
    return [_filled_in(item, names) for item in value] if isinstance(value, list) else value


def _reference(name: str) -> str:
    """Compose fails the deployment, with this text, rather than start a service without its secret."""
    return f"${{{name}:?not set in the environment of this service}}"


def _build(build: Build) -> Compose:
    context = build.context
    if build.git:
        context = build.git + (f"#{build.ref}" if build.ref or build.context else "")
        context += f":{build.context}" if build.context else ""
    rendered: Compose = {"context": context, "dockerfile": build.dockerfile}
    if build.target:
        rendered["target"] = build.target
    if build.args:
        rendered["args"] = {key: value.replace("$", "$$") for key, value in build.args.items()}
    if build.secrets:
        rendered["secrets"] = [
            {"source": _build_secret(key, value), "target": key} for key, value in build.secrets.items()
        ]
    return rendered


def _build_secret(key: str, value: str) -> str:
    return f"build_{key}" if value.startswith("/") else value


def _secrets(stack: Stack) -> Compose:
    """Secrets that arrive as files, in a container or in a build."""
    secrets: Compose = {}
    for service in stack.services.values():
        secrets |= {s.name: {"environment": s.name} for s in service.secrets if s.kind == "file"}
        for key, value in (service.build.secrets if service.build else {}).items():
            source = {"file": value} if value.startswith("/") else {"environment": value}
            secrets[_build_secret(key, value)] = source
    return secrets


def _volume(volume: Volume) -> Compose:
    options = {key: value.replace("$", "$$") for key, value in volume.driver_opts.items()}
    form = {"name": volume.name, "external": volume.external, "driver": volume.driver, "driver_opts": options}
    return {key: value for key, value in form.items() if value}


def _dependencies(stack: Stack, service: Service) -> Compose:
    if service.stateful:
        return {name: _started(stack.services[name], word) for name, word in service.depends_on.items()}
    needs = {s.name: _started(s) for s in stack.stateful}
    if stack.pre_release:
        needs["pre-release"] = {"condition": "service_completed_successfully"}
    return needs | {name: _started(stack.services[name], word) for name, word in stack.needs(service).items()}


def _started(service: Service, word: str = "healthy") -> Compose:
    if word == "completed":
        return {"condition": "service_completed_successfully"}
    known = service.health and not service.health.none
    return {"condition": "service_healthy" if word == "healthy" and known else "service_started"}


def _hooks(stack: Stack, services: Compose) -> Compose:
    """Hooks as services that run once in each deployment and end."""
    rendered: Compose = {}
    if stack.pre_release:
        rendered["pre-release"] = _hook(stack.pre_release, services, stack.stateful)
    if stack.post_release:
        rendered["post-release"] = _hook(stack.post_release, services, stack.web)
    return rendered


def _hook(hook: Hook, services: Compose, after: Iterable[Service]) -> Compose:
    unsuited = ("restart", "healthcheck", "networks", "depends_on", "entrypoint", "command")
    rendered: Compose = {key: value for key, value in services[hook.service].items() if key not in unsuited}
    rendered |= {
        "restart": "no",
        "entrypoint": [hook.command[0].replace("$", "$$")],
        "command": [part.replace("$", "$$") for part in hook.command[1:]],
        "depends_on": {s.name: _started(s) for s in after},
    }
    return {key: value for key, value in rendered.items() if value}


def stack_domains(stack: Stack) -> list[dict[str, Any]]:
    """What a stack's routes are as domains: each of its host names with each path.

    Raises:
        UserError: An alias is a wildcard.
    """
    for alias in stack.domain_aliases:
        if alias.startswith(WILDCARD):
            raise UserError(f"stack_domain_aliases: Dokploy has no wildcards such as {alias}; name each host.")
    return [
        {
            "host": host,
            "path": route.path,
            "service": route.service,
            "port": route.port or stack.services[route.service].port,
        }
        for host in dict.fromkeys((*stack.domains, *(r.host for r in stack.routes if r.host)))
        for route in stack.routes
        if (route.host == host if route.host else host in stack.domains)
    ]
