# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts of a Compose file that say how a container runs, and how its health is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import Service, Stack
from .parts import Health

Compose = dict[str, Any]


def literal(value: str) -> str:
    """Compose replaces variables in every string of its file."""
    return value.replace("$", "$$")


def seconds(value: float) -> str:
    """A duration as Compose writes it."""
    return f"{value:g}s" if value >= 1 else f"{round(value * 1000)}ms"


def with_runtime(rendered: Compose, service: Service) -> Compose:
    """A service with the keys of Compose that its description hands on; they take the place of our own."""
    theirs = literals(service.runtime)
    devices = theirs.pop("device_requests", None)
    merged = {key: value for key, value in {**rendered, **theirs}.items() if value != []}
    if devices:
        resources = rendered.get("deploy", {}).get("resources", {})
        merged["deploy"] = {"resources": {**resources, "reservations": {"devices": devices}}}
    if service.replicas > 1:
        merged["deploy"] = {**merged.get("deploy", {}), "replicas": service.replicas}
    return merged


def literals(value: Any) -> Any:
    """Every text within something, as `literal` has it."""
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, Mapping):
        return {str(key): literals(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [literals(item) for item in value]
    return value


def healthcheck(stack: Stack, service: Service, start_interval: bool) -> Compose:
    """What the engine asks; nothing where the image says it, or nobody does."""
    health = service.health
    if health and health.test[:1] == ("NONE",):
        return {"test": ["NONE"]}
    if not health or not health.asked:
        return {}
    check: Compose = {
        "test": _probe(health, service.port, stack.host(service)),
        "interval": seconds(health.interval),
        "timeout": seconds(health.timeout),
        "retries": health.retries,
        "start_period": seconds(health.start_period),
    }
    if start_interval and health.start_interval:
        check["start_interval"] = seconds(health.start_interval)
    elif start_interval:
        # A release asks a path by itself, and faster: the engine's word then only follows.
        check["start_interval"] = "500ms" if health.command else "1s"
    return check


# What `_probe` needs of an image, as a command of its shell.
HAS_A_CLIENT = "command -v curl || command -v wget || command -v node || command -v python3"


def _probe(health: Health, port: int | None, domain: str) -> list[str]:
    if health.test:
        return [literal(part) for part in health.test]
    if health.command:
        return ["CMD", *(literal(a) for a in health.command)]
    url = f"http://127.0.0.1:{port}{health.path}"
    # Images differ in what they carry: the first of these that is there and content decides.
    # They ask as the edge does: an app may refuse another host, or redirect what is not https.
    headers = {"Host": domain} if domain else {}
    headers["X-Forwarded-Proto"] = "https"
    curl = "".join(f" -H '{key}: {value}'" for key, value in headers.items())
    wget = "".join(f" --header '{key}: {value}'" for key, value in headers.items())
    told = ",".join(f"'{key}':'{value}'" for key, value in headers.items())
    # Neither curl nor wget takes a redirect for the failure that it is here: their status is looked at. busybox' wget
    # follows one whatever it is told, so that the first status that it met decides.
    script = (
        f"c=$(curl -fsS -o /dev/null -w '%{{http_code}}'{curl} '{url}')"
        ' && case $c in 2*) ;; *) echo "status $c"; false;; esac'
        f" || {{ set -- $(wget -q -S -O /dev/null{wget} '{url}' 2>&1);"
        ' case "$1 $2" in HTTP/*" "2*) ;; HTTP/*) echo "status $2"; false;; *) echo "$*"; false;; esac; }'
        f" || node -e \"require('http').get('{url}',{{headers:{{{told}}}}},"
        "r=>process.exit(r.statusCode<300?0:1)).on('error',()=>process.exit(1))\""
        f" || python3 -c \"import http.client as h;c=h.HTTPConnection('127.0.0.1',{port});"
        f"c.request('GET','{health.path}',headers={{{told}}});exit(c.getresponse().status>299)\""
    )
    return ["CMD-SHELL", literal(script)]
