# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every key of a service that is the same in the description, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .findings import Findings
from .tables import (
    BUILD_DROPPED,
    BUILD_KEYS,
    BUILD_REFUSED,
    DEPLOY_DROPPED,
    DROPPED_KEYS,
    PLACED_KEYS,
    PROXY_LABEL,
    REFUSED_KEYS,
    RUNTIME_KEYS,
    SILENT_KEYS,
)

Form = dict[str, Any]
_CONDITIONS = {
    "service_started": "started",
    "service_healthy": "healthy",
    "service_completed_successfully": "completed",
}
_PULL = {"always": "always", "never": "never", "daily": "always", "weekly": "always"}


def plain_keys(name: str, service: Mapping[str, Any], findings: Findings) -> Form:
    """What of a service is the same for every kind: image, command, health, limits, and what the engine is told.

    Mounts, ports, variables and the order are left to others.
    """
    form: Form = {}
    _unknown(name, service, findings)
    if service.get("image"):
        form["image"] = service["image"]
    if service.get("build"):
        form["build"] = _build(name, service["build"], findings)
    pull = _PULL.get(str(service.get("pull_policy") or "").partition("_")[0])
    if pull:
        form["pull"] = pull
    for key in ("command", "entrypoint"):
        if service.get(key) is not None:
            # Nothing at all, where the file says so, is not what the image says.
            form[key] = [str(w) for w in service[key]] or ([""] if key == "entrypoint" else [])
    if service.get("user"):
        form["user"] = str(service["user"])
    if service.get("read_only"):
        form["read_only"] = True
    # The engine's own defaults hold: an image that begins as root needs them.
    form["cap_drop"] = list(service.get("cap_drop") or [])
    form["cap_add"] = list(service.get("cap_add") or [])
    if service.get("stop_grace_period"):
        form["stop_grace"] = service["stop_grace_period"]
    else:
        form["stop_grace"] = "10s"
    form["health"] = _health(name, service.get("healthcheck"), findings)
    if limits := _limits(service):
        form["limits"] = limits
    form["runtime"] = _runtime(name, service, findings)
    return form


def conditions(
    name: str, service: Mapping[str, Any], services: Mapping[str, Any], findings: Findings
) -> dict[str, str]:
    """depends_on by Compose's names; of services that are not started, nothing is left."""
    found = {}
    for other, how in (service.get("depends_on") or {}).items():
        if other not in services:
            findings.drop(name, f"depends_on: {other}", "it is not started")
            continue
        found[other] = _CONDITIONS[how.get("condition") or "service_started"]
    return found


def replicas(service: Mapping[str, Any]) -> int:
    """How many containers it wants."""
    deploy = service.get("deploy") or {}
    wanted = deploy.get("replicas", service.get("scale"))
    return 1 if wanted is None else int(wanted)


def _unknown(name: str, service: Mapping[str, Any], findings: Findings) -> None:
    known = {*PLACED_KEYS, *RUNTIME_KEYS, *SILENT_KEYS}
    for key, value in service.items():
        if key in known or key.startswith("x-") or value in (None, [], {}, "", False):
            continue
        if key in REFUSED_KEYS:
            findings.refuse(f"services.{name}.{key}", f"{key} is not possible here", REFUSED_KEYS[key])
        elif key in DROPPED_KEYS:
            findings.drop(name, key, DROPPED_KEYS[key])
        else:
            findings.refuse(f"services.{name}.{key}", "this key is not supported", "leave it out of the file")
    mode = str(service.get("network_mode") or "")
    if mode and mode not in ("bridge", "default"):
        findings.refuse(
            f"services.{name}.network_mode",
            f"{mode!r}: two colours, and the edge, need the stack's network",
            "leave it out, and name ports under ports" if mode == "host" else "leave it out",
        )
    for key in ("pid", "ipc", "uts", "cgroup"):
        if str(service.get(key) or "").startswith(("service:", "container:")):
            findings.refuse(f"services.{name}.{key}", f"{service[key]!r}: which colour's is meant", "leave it out")
    if service.get("restart") and service["restart"] != "no":
        findings.drop(name, "restart", "every service is restarted unless it is stopped")
    deploy = service.get("deploy") or {}
    for key in sorted(deploy.keys() & DEPLOY_DROPPED.keys()):
        if deploy[key]:
            findings.drop(name, f"deploy.{key}", DEPLOY_DROPPED[key])


def _build(name: str, build: Mapping[str, Any], findings: Findings) -> Form:
    context = str(build.get("context") or "")
    found: Form = {}
    if "://" in context or context.startswith("git@"):
        address, _, fragment = context.partition("#")
        ref, _, inner = fragment.partition(":")
        found = {"git": address, "ref": ref, "context": inner}
        found = {k: v for k, v in found.items() if v}
    else:
        found = {"context": context}
    if build.get("dockerfile") not in (None, "", "Dockerfile"):
        found["dockerfile"] = build["dockerfile"]
    if build.get("target"):
        found["target"] = build["target"]
    args = {k: v for k, v in (build.get("args") or {}).items() if v is not None}
    if args:
        found["args"] = args
    for key, value in build.items():
        if not value or key in BUILD_KEYS or key.startswith("x-"):
            continue
        if key in BUILD_DROPPED:
            findings.drop(name, f"build.{key}", "it makes no other image")
        else:
            advice = BUILD_REFUSED.get(key, "leave it out")
            findings.refuse(f"services.{name}.build.{key}", "a build here takes no such thing", advice)
    return found


def _health(name: str, check: Mapping[str, Any] | None, findings: Findings) -> Form:
    check = check or {}
    test = check.get("test")
    if check.get("disable") or test == ["NONE"]:
        return {"test": ["NONE"]}
    times = {k: check[k] for k in ("interval", "timeout", "retries", "start_period", "start_interval") if k in check}
    if not test:
        for key in times:
            findings.drop(name, f"healthcheck.{key}", "the test is the image's own")
        return {"image": True}
    return {"test": list(test), **times}


def _limits(service: Mapping[str, Any]) -> Form:
    limits = ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    found = {
        "memory": limits.get("memory") or service.get("mem_limit"),
        "cpus": limits.get("cpus") or service.get("cpus"),
        "pids": limits.get("pids") or service.get("pids_limit"),
    }
    # Compose takes 0 and -1 for none.
    return {
        key: str(value) if key == "memory" else float(value) if key == "cpus" else int(value)
        for key, value in found.items()
        if value and str(value) not in ("0", "-1")
    }


def _runtime(name: str, service: Mapping[str, Any], findings: Findings) -> Form:
    runtime: Form = {key: service[key] for key in RUNTIME_KEYS if service.get(key) not in (None, [], {}, "", False)}
    # As in the file, where nothing is said too.
    runtime["security_opt"] = list(service.get("security_opt") or [])
    labels = {}
    for key, value in (service.get("labels") or {}).items():
        if PROXY_LABEL.fullmatch(key):
            continue
        labels[key] = value
    gone = len(service.get("labels") or {}) - len(labels)
    if gone:
        findings.drop(name, f"{gone} labels", "a proxy's or a watcher's")
    if labels:
        runtime["labels"] = labels
    reserved = ((service.get("deploy") or {}).get("resources") or {}).get("reservations") or {}
    if reserved.get("memory") or service.get("mem_reservation"):
        runtime["mem_reservation"] = reserved.get("memory") or service["mem_reservation"]
    if reserved.get("devices"):
        runtime["device_requests"] = reserved["devices"]
    if reserved.get("cpus"):
        findings.drop(name, "deploy.resources.reservations.cpus", "a swarm's")
    return runtime
