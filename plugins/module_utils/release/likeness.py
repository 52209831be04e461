# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a container that runs is what Compose would make of a service, by what the engine says of both.

What may change while a container runs is no difference, nor what guards it and says nothing of its work: its restart
policy, its networks, its log's size, `no-new-privileges`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_CONFIG = {
    "Cmd": "command",
    "Entrypoint": "entrypoint",
    "User": "user",
    "WorkingDir": "working_dir",
    "Domainname": "domainname",
    "StopSignal": "stop_signal",
    "Tty": "tty",
    "OpenStdin": "stdin_open",
}
# Said elsewhere, changed by `docker update` and `docker network connect`, or of no weight.
_PASSED_OVER = {
    *("Binds", "Mounts", "PortBindings", "SecurityOpt", "RestartPolicy", "NetworkMode", "Links", "LogConfig"),
    *("VolumesFrom", "ContainerIDFile", "AutoRemove", "ConsoleSize"),
}
_OURS = {"no-new-privileges:true", "no-new-privileges"}
# The engine names a volume by itself so long.
_UNNAMED = 64


def differences(wanted: Mapping[str, Any], running: Mapping[str, Any], places: Mapping[str, str]) -> list[str]:
    """The keys of Compose in which a container that runs differs from the one that is wanted; never their values.

    Args:
        wanted: `docker inspect` of a container that Compose made and did not start.
        running: That of the one that runs.
        places: Directories of the stack that are to be others of the server.
    """
    return list(dict.fromkeys(_differences(wanted, running, places)))


def _differences(wanted: Mapping[str, Any], running: Mapping[str, Any], places: Mapping[str, str]) -> Iterator[str]:
    if wanted["Image"] != running["Image"]:
        yield "image"
    config, theirs = wanted["Config"], running["Config"]
    variables = sorted({e.partition("=")[0] for e in {*config.get("Env", ())} ^ {*theirs.get("Env", ())}})
    if variables:
        yield f"environment ({', '.join(variables)})"
    yield from (word for key, word in _CONFIG.items() if (config.get(key) or None) != (theirs.get(key) or None))
    if _hostname(wanted) != _hostname(running):
        yield "hostname"
    if _check(config) != _check(theirs):
        yield "healthcheck"
    if _ports(wanted) != _ports(running):
        yield "ports"
    if _mounts(wanted, places) != _mounts(running, {}):
        yield "volumes"
    host, others = wanted["HostConfig"], running["HostConfig"]
    if _guards(host) != _guards(others):
        yield "security_opt"
    for key in sorted((host.keys() | others.keys()) - _PASSED_OVER):
        if (host.get(key) or None) != (others.get(key) or None):
            yield key


def _hostname(told: Mapping[str, Any]) -> str:
    name = str(told["Config"].get("Hostname", ""))
    return "" if told["Id"].startswith(name) else name


def _check(config: Mapping[str, Any]) -> Any:
    return (config.get("Healthcheck") or {}).get("Test")


def _ports(told: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    bound = told["HostConfig"].get("PortBindings") or {}
    return {(port, b.get("HostIp") or "0.0.0.0", b.get("HostPort", "")) for port, all_ in bound.items() for b in all_}


def _mounts(told: Mapping[str, Any], places: Mapping[str, str]) -> set[tuple[str, str, str, bool]]:
    return {(m["Type"], _source(m, places), m["Destination"], bool(m["RW"])) for m in told["Mounts"]}


def _source(mount: Mapping[str, Any], places: Mapping[str, str]) -> str:
    name = mount.get("Name") or mount.get("Source") or ""
    return "" if mount["Type"] == "volume" and len(name) == _UNNAMED else str(places.get(name, name))


def _guards(host: Mapping[str, Any]) -> set[str]:
    return set(host.get("SecurityOpt") or ()) - _OURS
