"""What the tests of all projects share."""

from __future__ import annotations

import http.client
import json
import pathlib
import subprocess
import threading
import time
from collections import Counter

PROJECT = pathlib.Path(__file__).resolve().parents[3]
STACKS = "/var/lib/sluice/stacks"
NAMES = ("order", "runtime", "files", "ports")
COMPOSE = ("shop", "wiki")


def play(playbook: str = "molecule/compose_file/converge.yml", **settings: str) -> subprocess.CompletedProcess:
    """The scenario's play with other settings."""
    argv = ["ansible-playbook", "-i", "molecule/inventory", "-i", "molecule/compose_file/inventory"]
    argv += ["--skip-tags", "docker_host,nginx_certbot,verify", "--extra-vars", json.dumps(settings)]
    return subprocess.run([*argv, playbook], capture_output=True, text=True, cwd=PROJECT, check=False)


def get(address: str, stack: str, path: str = "/") -> dict:
    connection = http.client.HTTPConnection(address, 80, timeout=10)
    connection.request("GET", path, headers={"Host": f"{stack}.example.com"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == 200, f"{stack}{path}: {answer.status} {content[:200]!r}"
    return json.loads(content)


class Load:
    """Some clients for each stack, that open a connection for each request."""

    def __init__(self, address: str) -> None:
        self.address, self.failures, self.versions = address, [], Counter()
        self._on = True
        self._threads = [threading.Thread(target=self._ask, args=(name,)) for name in (*NAMES, *COMPOSE) * 2]

    def _ask(self, name: str) -> None:
        while self._on:
            try:
                self.versions[name, get(self.address, name)["version"]] += 1
            except (OSError, AssertionError, http.client.HTTPException, ValueError) as error:
                self.failures.append(f"{time.strftime('%X')} {name}: {error!r}")
            time.sleep(0.05)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._on = False
        for thread in self._threads:
            thread.join()


def serving(host, stack: str) -> dict:
    return json.loads(host.check_output(f"cat {STACKS}/{stack}/serving.json"))


def container(host, name: str) -> dict:
    return json.loads(host.check_output(f"docker inspect {name}"))[0]
