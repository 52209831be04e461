# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests of the edge share: a stack, its site, and an engine that only pretends."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from ansible_collections.sluice.deploy.plugins.module_utils.edge.model import Edge, Serving, State
from ansible_collections.sluice.deploy.plugins.module_utils.edge.nginx_features import Features
from ansible_collections.sluice.deploy.plugins.module_utils.edge.parse import parse_site
from ansible_collections.sluice.deploy.plugins.module_utils.edge.site import Site
from ansible_collections.sluice.deploy.plugins.module_utils.stack.parse import parse_stack

NEWEST = Features(http2_directive=True, keepalive_min_timeout=True, hybrid_key_exchange=True)
OLDEST = Features(http2_directive=False, keepalive_min_timeout=False, hybrid_key_exchange=False)
EDGE = Edge(image="nginx:1.30", certbot_image="certbot:5", uid=os.getuid())
ROUTES = (
    {"path": "/api", "service": "server", "rate_limit": "api", "burst": 20},
    {"path": "/graphql", "service": "server", "burst": 50},
    {"path": "/", "service": "front"},
)
BUILD = "nginx version: nginx/1.30.6\nbuilt with OpenSSL 3.6.5 29 Sep 2026 (running with OpenSSL 3.5.7 9 Jun 2026)\n"


def stack(**changes: Any):
    services = {
        "server": {"image": "s", "port": 3000, "health": {"path": "/healthz"}},
        "front": {"image": "f", "port": 3001, "health": {"path": "/"}},
    }
    described = {"name": "shop", "domain": "shop.test", "services": services, "routes": list(ROUTES)}
    return parse_stack({**described, **changes})


def site(described: dict[str, Any] | None = None, **settings: Any) -> Site:
    given = {"certificate": {"email": "ops@shop.test"}, "rate_limits": {"api": "10r/s"}, **settings}
    return parse_site(stack(**(described or {})), given)


def serving(colour: str = "blue") -> Serving:
    ports = {"server": 3000, "front": 3001}
    return Serving(colour=colour, upstreams={s: (f"shop-{colour}-{s}:{p}",) for s, p in ports.items()})


def state(*sites: Site) -> State:
    result = State(EDGE)
    for one in sites or (site(),):
        result = result.with_site(one)
    return result


class FakeDocker:
    """Stands in for `engine.run`: remembers every argv, answers as an engine with these containers would."""

    def __init__(self, **addresses: str) -> None:
        self.addresses = {name.replace("_", "-"): address for name, address in addresses.items()}
        self.refusal = ""
        self.stumbles = 0
        self.master = 0
        self.calls: list[list[str]] = []

    def __call__(self, argv: list[str], timeout: float = 0) -> subprocess.CompletedProcess[str]:
        self.calls.append(list(argv))
        code, out, err = self._answer(" ".join(argv))
        return subprocess.CompletedProcess(argv, code, out, err)

    def _answer(self, command: str) -> tuple[int, str, str]:
        if command.startswith("docker image inspect"):
            return 0, "sha256:1\n", ""
        if command.endswith(" -V"):
            return 0, "", BUILD
        if command.startswith("docker network inspect"):
            return 0, json.dumps({name: self._endpoint(name) for name in self.addresses}) + "\n", ""
        if command.startswith("docker inspect"):
            found = [self._container(name) for name in self.addresses if name in command.split()]
            rows = map(json.dumps, [*found, *([self._nginx()] if self.master else [])])
            return int(not self.master), "\n".join(rows) + "\n", "" if self.master else "Error: No such container: x"
        if " -t " in command and self.stumbles:
            self.stumbles -= 1
            return 128, "OCI runtime exec failed: unable to start container process\r\n", ""
        if " -t " in command and self.refusal:
            return 1, "", f"2026/11/23 09:00:00 [emerg] 1#1: {self.refusal}\nnginx: configuration file test failed\n"
        return 0, "", ""

    def _endpoint(self, name: str) -> dict[str, str]:
        # Who gets another address has another endpoint.
        return {"EndpointID": f"{name} {self.addresses[name]}", "IPv4Address": f"{self.addresses[name]}/16"}

    def _container(self, alias: str) -> dict[str, Any]:
        attached = {"EndpointID": self._endpoint(alias)["EndpointID"], "Aliases": [alias, "0123456789ab"]}
        return {"Name": f"/{alias}", "NetworkSettings": {"Networks": {"sluice-edge": attached}}}

    def _nginx(self) -> dict[str, Any]:
        return {
            "Name": f"/{EDGE.project}-nginx",
            "Config": {"Image": EDGE.image},
            "Image": "sha256:1",
            "State": {"Pid": self.master},
            "NetworkSettings": {"Networks": {}},
        }
