"""What the tests of every scenario may lean on."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import socket
import ssl
import subprocess
import threading

import pytest

PROJECT = pathlib.Path(__file__).resolve().parent.parent

# Molecule asks for colours; tests read what plays print.
os.environ.pop("ANSIBLE_FORCE_COLOR", None)
os.environ["ANSIBLE_NOCOLOR"] = "1"


@pytest.fixture(scope="session")
def server():
    """Run a verb of tools/server, such as `server("reboot", "debian13")`; answers what it printed."""

    def run(*words: str) -> str:
        done = subprocess.run([PROJECT / "tools/server", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"tools/server {' '.join(words)}:\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    return run


@pytest.fixture
def play_over():
    """`play_over(INVENTORY, …)` answers a function that runs a playbook of the collection over these inventories, with
    extra variables, and answers the finished process. Nothing that a test planted is in what it prints."""

    def over(*inventories: pathlib.Path):
        def run(name: str, *words: str, **variables: object) -> subprocess.CompletedProcess:
            sources = [word for inventory in inventories for word in ("-i", inventory)]
            done = subprocess.run(
                ["ansible-playbook", *sources, *words, "-e", json.dumps(variables), PROJECT / f"playbooks/{name}.yml"],
                cwd=PROJECT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert "planted" not in done.stdout + done.stderr
            return done

        return run

    return over


@pytest.fixture
def run_playbook(tmp_path):
    """Run one task as a play; answers the finished process. Values travel in a file, never on a command line. `env` is
    for the controller, `there` for the server."""

    def run(
        module: str,
        options: dict,
        *flags: str,
        server: str = "debian13",
        user: str = "",
        env: dict | None = None,
        there: dict | None = None,
    ):
        task = {"name": "The module runs", module: options, "environment": there or {}}
        play = {"hosts": server, "gather_facts": False, "tasks": [task]}
        if user:
            play |= {"become": True, "become_user": user}
        playbook = tmp_path / "play.yml"
        playbook.write_text(json.dumps([play]))
        return subprocess.run(
            ["ansible-playbook", "-i", "molecule/inventory", *flags, playbook],
            cwd=PROJECT,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def run_module(run_playbook):
    """Run one task as a play; answers the module's result, failed or not."""

    def run(module: str, options: dict, server: str = "debian13", user: str = "", there: dict | None = None) -> dict:
        settings = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
        done = run_playbook(module, options, server=server, user=user, env=settings, there=there)
        try:
            return json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"][server]
        except (ValueError, LookupError):
            pytest.fail(f"no result:\n{done.stdout}{done.stderr}")

    return run


class Load(threading.Thread):
    """Requests one after the other, each on a connection of its own, until told to stop."""

    def __init__(self, address: str, site: str, path: str = "/") -> None:
        super().__init__()
        self.answered, self.lost, self._stop_it = 0, [], threading.Event()
        self._address, self._site, self._path = address, site, path
        self._context = ssl._create_unverified_context()

    def run(self) -> None:
        while not self._stop_it.wait(0.05):
            try:
                self._ask()
                self.answered += 1
            except (OSError, AssertionError, http.client.HTTPException) as error:
                self.lost.append(repr(error))

    def _ask(self) -> None:
        connection = http.client.HTTPSConnection(self._site, timeout=10, context=self._context)
        with socket.create_connection((self._address, 443), timeout=10) as raw:
            connection.sock = self._context.wrap_socket(raw, server_hostname=self._site)
            connection.request("GET", self._path)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            assert answer.status == 200, answer.status

    def __enter__(self) -> Load:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_it.set()
        self.join()


@pytest.fixture
def load_of():
    """`with load_of(ADDRESS, SITE) as load:` sends a site requests; what was not answered well is in `load.lost`."""
    return Load
