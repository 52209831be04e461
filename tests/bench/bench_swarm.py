"""A release on a swarm of three, beside `docker stack deploy` of the same service with an nginx by hand before it.

Prints seconds, without Ansible's way to the server, and requests lost of a release, of the way back, and of a run that
has nothing to do. Both sides have the same images, three tasks and the same load through a node of the swarm; by hand,
nginx follows the tasks by `resolve`.
"""

from __future__ import annotations

import http.client
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable

PROJECT = pathlib.Path(__file__).resolve().parents[2]
INVENTORY = PROJECT / "molecule/swarm/inventory"
SERVERS = ("debian13", "mirrored", "third")
STACK = """\
services:
  web:
    image: local/sluice-fleet:{version}
    healthcheck: {{test: [CMD, healthcheck], interval: 1s, retries: 2, start_period: 10s, start_interval: 500ms}}
    stop_grace_period: 1s
    networks: {{edge: {{aliases: [by-hand]}}}}
    deploy:
      replicas: 3
      endpoint_mode: dnsrr
      update_config: {{order: start-first, failure_action: rollback, monitor: 2s}}
networks: {{edge: {{name: sluice-edge, external: true}}}}
"""
NGINX = """\
events {}
http {
  resolver 127.0.0.11 valid=1s ipv6=off;
  upstream web { zone web 64k; server by-hand:8080 resolve; keepalive 16; }
  server { listen 8080; location / { proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection ""; } }
}
"""


def server(*words: str, told: str = "") -> str:
    done = subprocess.run([PROJECT / "tools/server", *words], input=told, capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Load(threading.Thread):
    """Requests one after the other, each on a connection of its own."""

    def __init__(self, address: str, port: int, site: str) -> None:
        super().__init__(daemon=True)
        self.answered, self.lost, self.over = 0, 0, threading.Event()
        self._place, self._site = (address, port), site
        self._context = ssl._create_unverified_context() if port == 443 else None

    def run(self) -> None:
        while not self.over.wait(0.01):
            try:
                self.lost += self._ask() != 200
            except (OSError, http.client.HTTPException):
                self.lost += 1
            self.answered += 1

    def _ask(self) -> int:
        with socket.create_connection(self._place, timeout=10) as raw:
            connection = http.client.HTTPConnection(self._site)
            context = self._context
            connection.sock = context.wrap_socket(raw, server_hostname=self._site) if context else raw
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            return answer.status


def play(name: str, *words: str, version: str) -> float:
    """The seconds that the release itself took, without Ansible's way there."""
    argv = ["ansible-playbook", "-v", "-i", INVENTORY, PROJECT / f"playbooks/{name}.yml", *words]
    done = subprocess.run(
        [*argv, "-e", f"app_version={version}"], check=False, capture_output=True, text=True, cwd=PROJECT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (steps,) = re.findall(r"^    seconds:\n((?:^        \w+: [0-9.]+\n)+)", done.stdout, re.MULTILINE)[-1:]
    return sum(float(line.partition(": ")[2]) for line in steps.splitlines())


def by_hand(version: str) -> float:
    started = time.perf_counter()
    server("ssh", "debian13", "docker stack deploy --resolve-image never --detach=false -c - hand",
           told=STACK.format(version=version))  # fmt: skip
    return time.perf_counter() - started


def back_by_hand() -> float:
    started = time.perf_counter()
    server("ssh", "debian13", "docker service rollback --detach=false hand_web")
    return time.perf_counter() - started


def measured(load: Load, action: Callable[[], float]) -> tuple[float, str]:
    """What the action says that it took, and what became of the load meanwhile."""
    load.start()
    took = action()
    time.sleep(1)
    load.over.set()
    load.join()
    return took, f"{load.lost} of {load.answered} lost"


def main() -> None:
    server("up", *(word for name in SERVERS for word in (name, "trixie")))
    for step in ("prepare", "converge"):
        argv = ["ansible-playbook", "-i", INVENTORY, PROJECT / f"molecule/swarm/{step}.yml", "--skip-tags", "verify"]
        argv += ["-e", '{"docker_host_firewall_allow": [80, 443, 8081]}']
        environment = {**os.environ, "MOLECULE_PROJECT_DIRECTORY": str(PROJECT), "SLUICE_FRESH": "yes"}
        done = subprocess.run(argv, check=False, env=environment, cwd=PROJECT, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
    address = server("ip", "debian13")
    server("ssh", "debian13", "mkdir -p /srv/hand && cat > /srv/hand/nginx.conf", told=NGINX)
    by_hand("1")
    server("ssh", "debian13", "docker run -d --name hand-edge --network sluice-edge -p 8081:8080"
           " -v /srv/hand/nginx.conf:/etc/nginx/nginx.conf:ro local/sluice-nginx:forky nginx -g 'daemon off;'")  # fmt: skip
    tagged = ("--tags", "compose_stack")
    rows = [
        ("release", lambda: play("site", *tagged, version="2"), lambda: by_hand("2")),
        # Before anything is deployed again: the swarm knows one version back, and that may be the same one.
        ("way back", lambda: play("rollback", version="1"), back_by_hand),
        ("again", lambda: play("site", *tagged, version="1"), lambda: by_hand("1")),
    ]
    for what, ours, theirs in rows:
        own, own_lost = measured(Load(address, 443, "crm.example.com"), ours)
        hand, hand_lost = measured(Load(address, 8081, "by.hand"), theirs)
        print(f"{what:9} by hand {hand:6.1f} s, {hand_lost}   here {own:6.1f} s, {own_lost}   {hand / own:.2f}")


if __name__ == "__main__":
    try:
        main()
    finally:
        server("down", *SERVERS)
