"""One release for all edges; each test begins with version 1 everywhere."""

from __future__ import annotations

import collections
import pathlib
import subprocess
import threading

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[3]
EDGES = {"m1": "debian13", "m3": "third"}


@pytest.fixture(scope="module")
def ask(server):
    """The version that an edge serves, or what curl says of it."""
    addresses = {name: server("ip", machine) for name, machine in EDGES.items()}

    def asked(edge: str) -> str:
        resolve = f"crm.example.com:443:{addresses[edge]}"
        command = ["curl", "-skS", "--http1.1", "--max-time", "20", "--resolve", resolve, "https://crm.example.com/"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).removeprefix('{"version":"').removesuffix('"}')

    return asked


def play(name: str, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["ansible-playbook", "-i", "molecule/swarm/inventory", f"playbooks/{name}.yml", *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


def release(version: str) -> subprocess.CompletedProcess:
    return play("site", "--tags", "compose_stack", "--extra-vars", f"app_version={version}")


def under_load(ask, act) -> tuple[subprocess.CompletedProcess, dict[str, collections.Counter]]:
    """What an act answers, and what each edge did meanwhile, how often."""
    answers: dict[str, collections.Counter] = {edge: collections.Counter() for edge in EDGES}
    over = threading.Event()

    def visit(edge: str) -> None:
        while not over.is_set():
            answers[edge][ask(edge)] += 1

    visitors = [threading.Thread(target=visit, args=(edge,)) for edge in EDGES]
    for visitor in visitors:
        visitor.start()
    try:
        done = act()
    finally:
        over.set()
        for visitor in visitors:
            visitor.join()
    return done, answers


def test_every_edge_serves_tasks_of_all_nodes(server, ask):
    assert {edge: ask(edge) for edge in EDGES} == dict.fromkeys(EDGES, "1")
    nodes = server(
        "ssh",
        "debian13",
        "docker service ps --filter desired-state=running -f name=crm --format '{{.Node}}' $(docker service ls -q -f name=crm)",
    )
    assert set(nodes.split()) == {"debian13", "mirrored", "third"}


def test_a_release_and_the_way_back_lose_no_request(ask):
    done, answers = under_load(ask, lambda: release("2"))
    assert done.returncode == 0, done.stdout + done.stderr
    for edge, told in answers.items():
        assert set(told) == {"1", "2"}, told
        assert ask(edge) == "2"
    done, answers = under_load(ask, lambda: play("rollback"))
    assert done.returncode == 0, done.stdout + done.stderr
    for edge, told in answers.items():
        assert set(told) == {"1", "2"}, told
        assert ask(edge) == "1"


def test_a_broken_release_reaches_no_edge(ask):
    done, answers = under_load(ask, lambda: release("broken"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "The release failed" in done.stdout
    for told in answers.values():
        assert set(told) == {"1"}, told


def test_status_tells_of_the_swarm_by_its_lead():
    done = play("status")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "m1" in done.stdout and "crm" in done.stdout
    assert "m2 " not in done.stdout
