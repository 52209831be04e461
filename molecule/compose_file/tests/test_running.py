"""A project that `docker compose up` started becomes a release in its place, and goes back."""

from __future__ import annotations

import http.client
import subprocess
import threading
import time
from itertools import pairwise

import pytest
from projects import PROJECT, STACKS, container

testinfra_hosts = ["ssh://debian13"]
UP = (
    "cd /srv/old && docker compose up --detach 2>&1 && curl -sS --fail --retry 30 --retry-delay 1 --retry-all-errors"
    " -o /dev/null -H 'Host: old.example.com' http://127.0.0.1/"
)
RUNNING = ("old-proxy-1", "old-web-1", "old-beat-1", "old-db-1")


def play(playbook: str, *more: str) -> subprocess.CompletedProcess:
    argv = ["ansible-playbook", "-i", "molecule/compose_file/running", *more, f"playbooks/{playbook}.yml"]
    return subprocess.run(argv, capture_output=True, text=True, cwd=PROJECT, check=False)


class Visitors:
    """Ask at port 80 as long as they are wanted, and note what they did not get."""

    def __init__(self, address: str) -> None:
        self.address, self.answered, self.lost = address, [], []
        self._on = True
        self._threads = [threading.Thread(target=self._ask) for _ in range(3)]

    def _ask(self) -> None:
        while self._on:
            try:
                connection = http.client.HTTPConnection(self.address, 80, timeout=5)
                connection.request("GET", "/", headers={"Host": "old.example.com"})
                status = connection.getresponse().status
                connection.close()
            except (OSError, http.client.HTTPException) as error:
                status = repr(error)
            # The edge sends them on to HTTPS.
            (self.answered if status in (200, 301, 308) else self.lost).append((time.monotonic(), status))
            time.sleep(0.02)

    @property
    def gap(self) -> float:
        """Seconds between two answers, at most."""
        at = sorted(moment for moment, _ in self.answered)
        return max(after - before for before, after in pairwise(at))

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._on = False
        for thread in self._threads:
            thread.join()


@pytest.fixture(scope="module")
def adopted(host, address):
    """The project as somebody started it, and what becomes of it."""
    host.check_output("systemctl stop nginx")
    host.check_output(UP)
    host.check_output("docker exec old-db-1 redis-cli set kept yes && echo kept > /srv/old/data/file")
    before = container(host, "old-db-1")
    rehearsed = play("adopt", "--check")
    assert rehearsed.returncode == 0, rehearsed.stdout
    assert all(container(host, name)["State"]["Running"] for name in RUNNING), "a rehearsal touches nothing"
    with Visitors(address) as visitors:
        played = play("adopt")
    assert played.returncode == 0, played.stdout
    visitors.told, visitors.database = rehearsed.stdout, before
    return visitors


def test_a_rehearsal_says_what_will_happen(adopted):
    told = " ".join(adopted.told.split())
    assert f"Lead {STACKS}/old/binds/data to /srv/old/data" in told
    assert "Take over db of the project old while they run." in told
    assert "Stop beat of the project old before the stack's own start." in told
    assert "Leave proxy, web of the project old until the release serves" in told


def test_visitors_hardly_notice(host, adopted):
    print(f"{len(adopted.answered)} answers, {len(adopted.lost)} lost, {adopted.gap:.2f} s without one")
    assert {status for _, status in adopted.answered} == {200, 301}
    said = host.check_output("curl -skS --resolve old.example.com:443:127.0.0.1 https://old.example.com/")
    assert '"version": "1"' in said


def test_data_is_where_it_was_and_nothing_runs_twice(host, adopted):
    found = container(host, "old-data.db")
    assert [found[key] for key in ("Id", "RestartCount")] == [adopted.database[key] for key in ("Id", "RestartCount")]
    assert found["State"]["StartedAt"] == adopted.database["State"]["StartedAt"], "it was not restarted"
    assert host.check_output("docker exec old-data.db redis-cli get kept") == "yes"
    assert host.check_output("docker exec old-blue-web getent hosts db")
    assert host.check_output("docker exec old-blue-web cat /data/file") == "kept"
    names = host.check_output("docker ps --format '{{.Names}}' | grep ^old-").split()
    assert sorted(names) == ["old-blue-beat", "old-blue-web", "old-data.db"]
    left = [name for name in RUNNING if name != "old-db-1"]
    assert {container(host, name)["HostConfig"]["RestartPolicy"]["Name"] for name in left} == {"no"}


def test_the_way_back(host, adopted):
    removed = play("remove")
    assert removed.returncode == 0, removed.stdout
    host.check_output("systemctl disable --now sluice-edge.service && docker stop sluice-edge-nginx")
    host.check_output(UP.replace("--detach", "--detach --force-recreate"))
    assert host.check_output("docker exec old-db-1 redis-cli get kept") == "yes"
    assert '"version": "1"' in host.check_output("curl -sS -H 'Host: old.example.com' http://127.0.0.1/")
