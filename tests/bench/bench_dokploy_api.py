"""dokploy_api against a stand-in server without Docker: a first run, one that finds nothing to do, and peers.

The peers of the second run send the same six queries: ansible.builtin.uri tasks, which look at nothing, and plain
HTTP from Python, which is the least that any client needs.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

import requests

from ansible_collections.sluice.deploy.tests.standin_dokploy.fake_engine import FakeEngine
from ansible_collections.sluice.deploy.tests.standin_dokploy.server import Standin

PROJECT = pathlib.Path(__file__).resolve().parents[2]
RUNS = 3
PLAY = """
- hosts: localhost
  gather_facts: false
  roles: [sluice.deploy.dokploy_api]
  vars:
    stack_name: crm
    stack_domain: crm.example.com
    stack_services:
      server: {image: example/server:1, port: 3000, health: {path: /healthz}, secrets: [APP_SECRET]}
      front: {image: example/front:1, port: 3001, health: {path: /}}
      postgres: {image: postgres:17, stateful: true, health: {command: [pg_isready]}}
    stack_routes: [{path: /api, service: server}, {path: /, service: front}]
    stack_secrets: {APP_SECRET: synthetic-0f8a5bcd}
"""


def play(path: pathlib.Path, variables: dict[str, str]) -> tuple[float, int]:
    """Seconds and changed tasks."""
    file = path.with_suffix(".json")
    file.write_text(json.dumps(variables))
    started = time.perf_counter()
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", "-c", "local", path, "--extra-vars", f"@{file}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return seconds, int(re.findall(r"changed=(\d+)", done.stdout)[-1])


def uri_play(calls: list[tuple[str, str, dict[str, str]]]) -> str:
    """The same queries as uri tasks."""
    tasks = []
    for _, procedure, query in calls:
        arguments = "&".join(f"{key}={value}" for key, value in query.items())
        tasks.append(
            {
                "name": procedure,
                "ansible.builtin.uri": {
                    "url": f"{{{{ dokploy_api_url }}}}/api/{procedure}?{arguments}",
                    "headers": {"x-api-key": "{{ dokploy_api_key }}"},
                    "return_content": True,
                },
            }
        )
    interpreter = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    return json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": interpreter, "tasks": tasks}])


def plain(url: str, key: str, calls: list[tuple[str, str, dict[str, str]]]) -> float:
    started = time.perf_counter()
    with requests.Session() as session:
        session.headers["x-api-key"] = key
        for _, procedure, query in calls:
            session.get(f"{url}/api/{procedure}", params=query, timeout=10).raise_for_status()
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        work = pathlib.Path(directory)
        standin = Standin(work / "server", FakeEngine())
        standin.start()
        variables = {"dokploy_api_url": standin.url, "dokploy_api_key": standin.store.make_key(limited=False)}
        role = work / "role.yml"
        role.write_text(PLAY)
        first, changed = play(role, variables)
        rows = [("role, empty server", first, standin.counts(), changed)]

        again = [play(role, variables) for _ in range(RUNS)]
        calls = list(standin.calls[-6:])
        counts = {method: count // RUNS for method, count in standin.counts().items()}
        second = statistics.median(seconds for seconds, _ in again)
        rows.append(("role, nothing to do", second, counts, max(changed for _, changed in again)))

        peer = work / "uri.yml"
        peer.write_text(uri_play(calls))
        uri = statistics.median(play(peer, variables)[0] for _ in range(RUNS))
        rows.append(("peer: six uri tasks", uri, {"GET": 6, "POST": 0}, 0))
        bare = statistics.median(plain(standin.url, variables["dokploy_api_key"], calls) for _ in range(RUNS))
        rows.append(("peer: six plain requests", bare, {"GET": 6, "POST": 0}, 0))
        standin.stop()

    print(f"{'':28}{'seconds':>9}{'queries':>9}{'changes sent':>14}{'changed':>9}{'x uri tasks':>13}")
    for name, seconds, sent, changed in rows:
        print(f"{name:28}{seconds:9.2f}{sent['GET']:9}{sent['POST']:14}{changed:9}{seconds / uri:13.2f}")
    if counts != {"GET": 6, "POST": 0}:
        raise SystemExit("a run that finds nothing to do must send six queries and no change")


if __name__ == "__main__":
    main()
