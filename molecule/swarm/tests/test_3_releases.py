"""Releases on a swarm: under load through both edges, broken ones, the way back, and nodes that are lost meanwhile."""

from __future__ import annotations

import base64
import contextlib
import json
import pathlib
import re
import subprocess
import threading
import time

import pytest
import yaml
from waiting import eventually

PROJECT = pathlib.Path(__file__).resolve().parents[3]
EDGES = ("debian13", "third")
SITE = "crm.example.com"
TOKEN = "planted$value 'of a' secret"


@pytest.fixture
def play(play_over):
    """Run a playbook over the swarm; answers the finished process."""
    return play_over(PROJECT / "molecule/swarm/inventory")


@pytest.fixture
def under_load(server, load_of):
    """Requests through both edges meanwhile; none may be lost."""

    @contextlib.contextmanager
    def load():
        with contextlib.ExitStack() as stack:
            loads = [stack.enter_context(load_of(server("ip", name), SITE)) for name in EDGES]
            yield
            time.sleep(0.5)
        assert [each.lost for each in loads] == [[], []]
        assert all(each.answered > 10 for each in loads)

    return load


@pytest.fixture
def versions(server):
    """What each edge serves now."""

    def ask() -> list[str]:
        curl = f"curl --silent --insecure --max-time 20 --resolve {SITE}:443:127.0.0.1 https://{SITE}/"
        return [json.loads(server("ssh", name, curl))["version"] for name in EDGES]

    return ask


def record(server, node="debian13") -> dict:
    return json.loads(server("ssh", node, "cat /var/lib/sluice/stacks/crm/serving.json"))


def released(done: subprocess.CompletedProcess) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_release_serves_on_both_edges(versions):
    assert versions() == ["1", "1"]


def test_replicas_run_on_several_nodes(server):
    nodes = server(
        "ssh", "debian13", "docker service ps crm_blue-web --filter desired-state=running --format {{.Node}}"
    )
    assert len(set(nodes.split())) == 3


def test_no_task_gains_privileges(server):
    status = "docker exec $(docker ps -q --filter name=crm_blue-web) cat /proc/1/status"
    assert "NoNewPrivs:\t1" in server("ssh", "third", status)


def test_the_secret_arrived_and_is_in_no_log(server):
    told = server("ssh", "third", "docker exec $(docker ps -q --filter name=crm_blue-web) printenv TOKEN")
    assert told == TOKEN
    assert "planted" not in server("ssh", "debian13", "docker service logs crm_blue-web 2>&1")


def test_a_second_release_loses_no_request(play, under_load, versions, server):
    before = record(server)["current"]
    with under_load():
        released(play("site", "--tags", "compose_stack", app_version="2"))
    assert versions() == ["2", "2"]
    assert record(server)["previous"] == before


def test_a_broken_release_leaves_the_old_one(play, under_load, versions, server):
    before = record(server)
    with under_load():
        done = play("site", "--tags", "compose_stack", app_version="broken")
    assert done.returncode
    assert "failed at step start: service web" in done.stdout
    assert "serves as before" in done.stdout
    assert versions() == ["2", "2"]
    assert record(server) == before
    assert not server("ssh", "debian13", "docker service ls --quiet --filter name=crm_blue")


@pytest.fixture
def web():
    """The service as the inventory describes it, with other settings."""
    inventory = yaml.safe_load((PROJECT / "molecule/swarm/inventory/hosts.yml").read_text())
    described = inventory["swarm"]["vars"]["stack_services"]["web"]
    return lambda **settings: {"web": {**described, **settings}}


@pytest.mark.long
def test_an_image_that_other_nodes_cannot_get_is_named_with_one_of_them(play, under_load, versions, server, web):
    make = "docker commit --change 'LABEL here=alone' $(docker create local/sluice-fleet:2) local/sluice-alone:1"
    server("ssh", "debian13", f"{make} && docker container prune --force")
    before = record(server)
    with under_load():
        services = web(image="local/sluice-alone:1", pull="missing")
        done = play("site", "--tags", "compose_stack", stack_services=services)
    assert done.returncode
    assert re.search(r"service web cannot be started on the node (mirrored|third): No such image", done.stdout)
    assert "pull: controller" in done.stdout
    assert versions() == ["2", "2"]
    assert record(server) == before


@pytest.mark.long
def test_an_edge_that_does_not_answer_puts_all_back(play, under_load, versions, server):
    before = record(server)
    server("ssh", "third", "systemctl stop sluice-edge-inbox.path")
    try:
        with under_load():
            done = play("site", "--tags", "compose_stack", app_version="1")
    finally:
        server("ssh", "third", "systemctl start sluice-edge-inbox.path")
    assert done.returncode
    assert "failed at step switch" in done.stdout
    assert "third" in done.stdout
    assert versions() == ["2", "2"]
    assert record(server) == before


def test_the_way_back(play, under_load, versions):
    with under_load():
        released(play("rollback"))
    assert versions() == ["1", "1"]


@pytest.mark.long
def test_a_node_that_is_lost_costs_no_request_and_the_next_release_goes_on(play, under_load, versions, server):
    with under_load():
        subprocess.run(["docker", "kill", server("name", "mirrored")], check=True, capture_output=True)
        try:
            # The swarm notices after some 12 s, and nginx at once.
            time.sleep(20)
            released(play("site", "--tags", "compose_stack", "--limit", "!m2", app_version="2"))
        finally:
            server("reboot", "mirrored")
    assert versions() == ["2", "2"]


@pytest.mark.long
def test_an_edge_that_was_lost_serves_the_new_release_when_it_is_back(play, load_of, versions, server):
    with load_of(server("ip", "debian13"), SITE) as load:
        subprocess.run(["docker", "kill", server("name", "third")], check=True, capture_output=True)
        try:
            time.sleep(20)
            released(play("site", "--tags", "compose_stack", "--limit", "!m3", app_version="1"))
        finally:
            server("reboot", "third")
    assert not load.lost
    eventually(lambda: versions() == ["1", "1"], 90)


def test_what_the_lead_left_behind_is_finished_or_undone(play, load_of, versions, server):
    release = threading.Thread(target=play, args=("site", "--tags", "compose_stack"), kwargs={"app_version": "2"})
    with load_of(server("ip", "third"), SITE) as load:
        release.start()
        eventually(lambda: "crm_green-web" in server("ssh", "debian13", "docker service ls --format {{.Name}}"), 120)
        subprocess.run(["docker", "kill", server("name", "debian13")], check=True, capture_output=True)
        release.join()
        # The others agree on a leader, and requests go on.
        assert "Leader" in server("ssh", "third", "docker node ls")
        server("reboot", "debian13")
        eventually(lambda: "mirrored" in server("ssh", "debian13", "docker node ls"), 90)
        released(play("site", "--tags", "compose_stack", app_version="2"))
    assert not load.lost
    assert versions() == ["2", "2"]


def phase(server) -> str:
    """What the swarm has noted of the release that goes on, as another manager sees it."""
    asked = (
        "docker config inspect --format '{{json .Spec.Data}}' $(docker config ls -q -f label=deploy.sluice.ledger=crm)"
    )
    with contextlib.suppress(AssertionError, subprocess.CalledProcessError, ValueError, KeyError):
        # Where two are there, the newer one counts.
        told = [json.loads(base64.b64decode(line.strip('"'))) for line in server("ssh", "third", asked).splitlines()]
        return str(json.loads(told[-1]["files"]["journal.json"])["phase"])
    return ""


@pytest.mark.long
@pytest.mark.parametrize("step", ["start", "drain", "finish"])
def test_another_manager_goes_on_where_the_lead_was_lost(play, load_of, versions, server, step):
    tagged, version = ("site", "--tags", "compose_stack"), "1" if versions()[1] == "2" else "2"
    release = threading.Thread(target=play, args=tagged, kwargs={"app_version": version, "stack_drain": 4})
    with load_of(server("ip", "third"), SITE) as load:
        release.start()
        eventually(lambda: phase(server) == step, 120)
        subprocess.run(["docker", "kill", server("name", "debian13")], check=True, capture_output=True)
        release.join()
        try:
            eventually(lambda: "Down" in server("ssh", "third", "docker node ls --filter name=debian13"), 60)
            done = play(*tagged, "-v", "--limit", "!m1", app_version=version, swarm_lead_node="m3", stack_drain=4)
            released(done)
        finally:
            server("reboot", "debian13")
    assert not load.lost
    # A target that the lost node took a task from is led back.
    assert re.search("An interrupted release of .* was (undone|finished)", done.stdout), done.stdout
    # The first one, when it is back, knows what was done, and has nothing left to do.
    eventually(lambda: "mirrored" in server("ssh", "debian13", "docker node ls"), 90)
    again = play(*tagged, app_version=version, stack_drain=4)
    released(again)
    assert record(server) == record(server, "third")
    assert versions() == [version, version]


@pytest.mark.long
def test_data_stays_on_its_node_and_another_manager_says_so(play, versions, web):
    tagged, kept = ("site", "--tags", "compose_stack"), {"volumes": ["files:/files"]}
    released(play(*tagged, stack_services=web(image="local/sluice-fleet:2", **kept)))
    done = play(*tagged, stack_services=web(image="local/sluice-fleet:1", **kept), swarm_lead_node="m3")
    assert done.returncode
    assert "the data of crm (volume crm_files) is on the node debian13, which is ready: release from" in done.stdout
    assert versions() == ["2", "2"]
    released(play(*tagged, app_version="2"))


def test_status_tells_of_all_nodes(play):
    done = play("status")
    released(done)
    assert done.stdout.count("running, healthy") == 3
    assert " on third" in done.stdout or " on mirrored" in done.stdout


def test_verify_looks_at_the_whole_swarm(play, tmp_path):
    play("site", "--tags", "verify", app_version="2", verify_report_directory=str(tmp_path))
    (report,) = tmp_path.glob("*.json")
    found = {result["id"]: result for result in json.loads(report.read_text())["results"]}
    for check in ("swarm.nodes", "swarm.managers", "swarm.edges", "container.web", "release.drift", "log_secrets"):
        assert found[check]["status"] == "pass", found[check]
