# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with a deployment's settings, as far as it can be known before a host is touched."""

from __future__ import annotations

import contextlib
import datetime
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils.dockerhost import logins, verdict
from ..module_utils.edge import certificates, parse, parse_host
from ..module_utils.errors import Mistakes
from ..module_utils.notices import targets
from ..module_utils.secretvalues.values import check_secrets
from ..module_utils.sizes import parse_size
from ..module_utils.stack import Route, Stack
from ..module_utils.stack.parse import parse_stack
from .settings import misspelt, options_of, user_mistakes

Settings = dict[str, Any]
# Of these the description of a stack knows nothing.
_NOT_DESCRIBED = ("secrets", "compose", "compose_env", "compose_services")
# Settings of the edge that stand in a dictionary of its module.
CERTIFICATE = {
    "certificate": "kind",
    "email": "email",
    "acme_directory": "directory",
    "acme_ca_bundle": "ca_bundle",
    "key_type": "key_type",
    "profile": "profile",
    "dns_plugin": "dns_plugin",
    "dns_propagation": "dns_propagation",
}


def setting_mistakes(variables: Mapping[str, Any], parts: Collection[str], roles: Path) -> list[str]:
    """A sentence for each mistake in the variables of a stack and of roles.

    Args:
        variables: All that a user has set, by name.
        parts: The roles that are to run.
        roles: Their directory.
    """
    # A template within a value is filled in when it is looked at, and never in a copy as the validator makes one.
    variables = {name: _without_none(value) for name, value in variables.items()}
    found = Mistakes()
    stack = _stack(variables, found) if {"nginx_certbot", "compose_stack"} & set(parts) else None
    for part in parts:
        given = {name: value for name, value in variables.items() if name.startswith(f"{part}_")}
        options = options_of(roles / part)
        found += misspelt(given, options)
        judge = _JUDGES.get(part)
        if judge:
            judge(_typed(given, options, part, found), stack, found)
    return list(dict.fromkeys(found))


def _stack(variables: Mapping[str, Any], found: Mistakes) -> Stack | None:
    """The stack, where it is described without a mistake."""
    given = {name.removeprefix("stack_"): value for name, value in variables.items() if name.startswith("stack_")}
    if "compose" in given and "services" not in given:
        # A project's own Compose files, which could not be read yet.
        return None
    secrets = given.get("secrets") or {}
    described = {name: value for name, value in given.items() if name not in _NOT_DESCRIBED}
    stack = found.attempt(lambda: parse_stack(described), None)
    if not isinstance(secrets, Mapping):
        found.append("stack_secrets: expected a mapping of name to value.")
    elif stack:
        found.note(partial(check_secrets, stack.secret_names, secrets))
    return stack


def _typed(given: Mapping[str, Any], options: Mapping[str, Any], part: str, found: Mistakes) -> Settings:
    """All settings of a role by their names without its own, of the types that they are to have; with defaults for
    those that are not set, or cannot be read."""
    settings: Settings = {}
    for name, option in options.items():
        validator = ArgumentSpecValidator({name: {key: value for key, value in option.items() if key != "required"}})
        value, messages = None, list[str]()
        if given.get(name) is not None:
            try:
                checked = validator.validate({name: given[name]})
                value, messages = checked.validated_parameters[name], checked.error_messages
            except (TypeError, ValueError, AttributeError):
                messages = [f"{name}: expected a {option['type']}, of the form that docs/reference.md shows"]
        for message in messages:
            # What could not be read may be a secret in the wrong place.
            told = re.sub(r"(unable to convert to \w+):.*", r"\1", message, flags=re.DOTALL)
            found.append(told if name in told else f"{name}: {told}")
        if messages or value is None:
            value = validator.validate({}).validated_parameters[name]
        settings[name.removeprefix(f"{part}_")] = _without_none(value)
    return settings


def _without_none(value: Any) -> Any:
    """A copy without keys that say nothing."""
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, list) else value


def _edge(settings: Settings, stack: Stack | None, found: Mistakes) -> None:
    if settings["state"] == "absent":
        return
    if stack and not (stack.domain or stack.routes):
        found += _unreached(stack, settings)
        return
    for name in ("basic_auth", "users"):
        found += user_mistakes(settings[name], f"nginx_certbot_{name}")
        # What a password's hash is does not matter here.
        settings[name] = [f"{user}:$6$-" for user in settings[name] if not re.search(r"[:\s]", str(user)) and user]
    certificate = {of: settings.pop(name) for name, of in CERTIFICATE.items() if name in settings}
    found.note(lambda: parse_host.parse_edge(settings))
    if not stack:
        # What of the settings does not ask for the stack can be judged all the same.
        stack = Stack("stack", "stack.example", (), {}, (Route("/", "web"),))
        settings |= {"access": [], "ports": []}
    site = found.attempt(lambda: parse.parse_site(stack, {**settings, "certificate": certificate}), None)
    if site and certificate["kind"] == "own" and shutil.which("openssl"):
        chain, key = (str(settings["own_certificate"].get(part) or "").encode() for part in ("certificate", "key"))
        now = datetime.datetime.now(datetime.timezone.utc)
        found.note(lambda: certificates.check_own(chain, key, site.names, now))


def _unreached(stack: Stack, settings: Settings) -> list[str]:
    """What of a stack without a domain, which has no place on the edge, nobody could reach."""
    found = [
        f"stack_services.{service.name}: nobody could reach this web service; give stack_domain and stack_routes, or"
        " publish its port."
        for service in stack.web
        if not service.publish
    ]
    if settings["ports"]:
        found.append("nginx_certbot_ports: the edge serves a stack with a domain; give it one, or publish the ports.")
    return found


def _host(settings: Settings, _stack: Stack | None, found: Mistakes) -> None:
    addresses = {f"docker_host_{name}": str(settings[name]) for name in ("apt_url", "apt_key")}
    found += verdict.setting_problems({**settings, "apt_settings": addresses})
    for name in ("min_memory", "min_disk"):
        found.note(partial(parse_size, settings[name], f"docker_host_{name}"))
    for name, told in settings["registries"].items():
        found.note(partial(logins.checked, {name: _with_authority(told)}))
    found.note(lambda: targets.checked(settings["notify"]))


def _with_authority(told: Any) -> Any:
    """A registry's entry with the text of a file of authorities; of one that only the role finds, with nothing."""
    place = str(told.get("ca") or "") if isinstance(told, Mapping) else ""
    if place.startswith("/"):
        with contextlib.suppress(OSError, ValueError):
            return {**told, "ca": Path(place).read_text(encoding="utf-8")}
    elif place and "-----BEGIN" not in place:
        return {key: value for key, value in told.items() if key != "ca"} or {"username": "-", "password": "-"}
    return told


def _release(settings: Settings, stack: Stack | None, found: Mistakes) -> None:
    found.note(lambda: parse_size(settings["minimum_free"], "compose_stack_minimum_free"))
    # The release's own room is slow to import, and most have no use for it here.
    if settings["gates"]:
        from ..module_utils.release.module import gate_levels

        found.note(lambda: gate_levels(settings["gates"]))
    if stack and any(settings["backup_schedule"].values()):
        from ..module_utils.release.keeping import keeping

        told = {name.removeprefix("backup_"): value for name, value in settings.items() if name.startswith("backup_")}
        found.note(lambda: keeping(told, stack))


_JUDGES: dict[str, Callable[[Settings, Stack | None, Mistakes], None]] = {
    "docker_host": _host,
    "nginx_certbot": _edge,
    "compose_stack": _release,
}
