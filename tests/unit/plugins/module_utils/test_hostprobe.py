from __future__ import annotations

import dataclasses
import json

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.docker.containers import Container
from ansible_collections.sluice.deploy.plugins.module_utils.errors import UserError
from ansible_collections.sluice.deploy.plugins.module_utils.hostprobe import backups, facts, look, policy, upkeep
from ansible_collections.sluice.deploy.plugins.module_utils.hostprobe.facts import Space
from ansible_collections.sluice.deploy.plugins.module_utils.hostprobe.host import (
    judge_disk,
    judge_timer,
    parse_age,
)
from ansible_collections.sluice.deploy.plugins.module_utils.hostprobe.record import Record, judge_drift, read_record
from ansible_collections.sluice.deploy.plugins.module_utils.hostprobe.services import judge_presence, judge_services
from ansible_collections.sluice.deploy.plugins.module_utils.stack.directory import (
    Deployed,
    Journal,
    StackState,
    write_description,
)

SERVER = Container(
    "1", "crm-blue-server", "server", "running", "healthy", 0, 0, "", "sha256:aa", "crm-blue", "crm:1", "2026-11-23"
)
WORKER = dataclasses.replace(SERVER, name="crm-blue-worker", service="worker", health="")
DATABASE = dataclasses.replace(SERVER, name="crm-postgres", project="crm-data", service="postgres", image="sha256:cc")
SERVICES = {"server": {"port": 3000, "max_size": "300MB"}, "worker": {}, "postgres": {"stateful": True}}
RECORD = Record("r1", "blue", {"server": "sha256:aa", "worker": "sha256:aa"})


def changed(container, **changes):
    return dataclasses.replace(container, **changes)


def inspected(container):
    """What `docker inspect` prints of a container."""
    labels = {"com.docker.compose.project": container.project, "com.docker.compose.service": container.service}
    health = {"Health": {"Status": container.health}} if container.health else {}
    return {
        "Id": container.id,
        "Name": f"/{container.name}",
        "Config": {"Labels": labels, "Image": container.reference},
        "State": {
            "Status": container.state,
            "ExitCode": container.exit_code,
            "StartedAt": "2026-11-23T09:00:00Z",
            **health,
        },
        "RestartCount": container.restarts,
        "HostConfig": {"RestartPolicy": {"Name": "unless-stopped" if container.restarted else "no"}},
        "Image": container.image,
    }


def test_healthy_services_pass_and_a_worker_is_called_one():
    results = judge_services([SERVER, WORKER, DATABASE], SERVICES, 0)
    assert {r["id"]: r["status"] for r in results} == {
        "container.server": "pass",
        "container.worker": "pass",
        "container.postgres": "pass",
    }
    assert results[1]["title"] == "Worker worker is alive"


def test_a_job_is_not_expected_to_run_and_a_service_without_a_port_may_be_no_worker():
    services = {**SERVICES, "migrate": {"role": "job"}, "worker": {"role": "internal"}}
    results = judge_services([SERVER, WORKER, DATABASE], services, 0)
    assert {r["id"]: r["status"] for r in results} == dict.fromkeys(
        ["container.server", "container.worker", "container.postgres"], "pass"
    )
    assert results[1]["title"] == "Service worker is healthy"


@pytest.mark.parametrize(
    ("changes", "status", "measured"),
    [
        ({"state": "exited", "exit_code": 137, "health": ""}, "fail", "exited (137)"),
        ({"state": "restarting", "restarts": 9}, "fail", "restarting, 9 restarts"),
        ({"health": "unhealthy"}, "fail", "running, unhealthy"),
        ({"health": "starting"}, "fail", "running, starting"),
        ({"state": "paused"}, "fail", "paused"),
        ({"restarts": 1}, "warn", "running, healthy, 1 restart"),
    ],
)
def test_what_is_wrong_with_a_container_is_told(changes, status, measured):
    (result,) = judge_services([changed(SERVER, **changes)], {"server": {}}, 0)
    assert (result["status"], result["measured"]) == (status, measured)
    assert result["advice"] == ["docker logs --tail 50 crm-blue-server"]


@pytest.mark.parametrize(("code", "results"), [(0, []), (1, ["fail"])])
def test_a_migration_that_has_ended_well_is_no_service(code, results):
    ended = changed(SERVER, service="migrate", state="exited", exit_code=code, health="", restarted=False)
    assert [r["status"] for r in judge_services([ended], {}, 0)] == results


def test_a_service_that_has_ended_is_a_failure_however_well():
    ended = changed(SERVER, state="exited", health="", restarted=False)
    assert [r["status"] for r in judge_services([ended], {"server": {}}, 0)] == ["fail"]


def test_a_missing_worker_is_a_failure_of_the_worker():
    results = judge_services([SERVER, DATABASE], SERVICES, 0)
    assert [r["id"] for r in results if r["status"] == "fail"] == ["container.worker"]


def test_one_sick_replica_fails_its_service():
    sick = changed(SERVER, name="crm-blue-server-2", health="unhealthy")
    (result,) = judge_services([SERVER, sick], {"server": {}}, 0)
    assert (result["status"], result["measured"]) == ("fail", "running, unhealthy")
    assert len(result["evidence"]) == 2


@pytest.mark.parametrize(
    ("replicas", "status", "measured"),
    [
        (2, "pass", "running, healthy"),
        (3, "fail", "2 of 3 containers; running, healthy"),
        ("3", "fail", "2 of 3 containers; running, healthy"),
        ("many", "pass", "running, healthy"),
    ],
)
def test_a_container_that_is_gone_is_missed(replicas, status, measured):
    both = [SERVER, changed(SERVER, name="crm-blue-server-2")]
    (result,) = judge_services(both, {"server": {"replicas": replicas}}, 0)
    assert (result["status"], result["measured"]) == (status, measured)
    assert (result["advice"] == []) == (status == "pass")


def test_no_record_is_no_failure():
    assert judge_drift("crm", None, [SERVER], [], None)["status"] == "skip"


@pytest.mark.parametrize(
    ("found", "others", "edge", "record", "status"),
    [
        ([SERVER, WORKER], [], None, RECORD, "pass"),
        ([SERVER, WORKER], [], {"serving": "blue"}, RECORD, "pass"),
        ([SERVER, WORKER], [], {"serving": "green"}, RECORD, "fail"),
        ([SERVER, WORKER], [], {"serving": None}, RECORD, "fail"),
        ([changed(SERVER, image="sha256:bb"), WORKER], [], None, RECORD, "fail"),
        ([SERVER], [changed(SERVER, project="crm-green")], None, RECORD, "warn"),
        ([SERVER], [changed(SERVER, project="crm-green", state="exited")], None, RECORD, "pass"),
        ([SERVER], [], None, dataclasses.replace(RECORD, interrupted="release"), "warn"),
        ([], [], None, Record(), "fail"),
    ],
)
def test_drift(found, others, edge, record, status):
    assert judge_drift("crm", record, found, others, edge)["status"] == status


def test_the_record_is_read_from_the_stacks_directory(tmp_path):
    assert read_record(str(tmp_path), "crm") is None
    place = tmp_path / "crm/releases/r1"
    place.mkdir(parents=True)
    serving = {"current": {"release": "r1", "colour": "blue"}, "previous": None}
    (tmp_path / "crm/serving.json").write_text(json.dumps(serving))
    write_description(place, {"description": {}, "images": {"server": "sha256:aa"}})
    (place / "build.log").write_text("")
    state = StackState(str(tmp_path), "crm")
    state.write_journal(Journal("rollback", Deployed("r0", "green"), state.serving()))
    log = str(place / "build.log")
    assert read_record(str(tmp_path), "crm") == Record("r1", "blue", {"server": "sha256:aa"}, "rollback", (log,))
    (tmp_path / "crm/serving.json").write_text("{")
    with pytest.raises(UserError, match="is empty or cut off"):
        read_record(str(tmp_path), "crm")


@pytest.mark.parametrize(
    ("timer", "service", "status", "measured"),
    [
        ({"LoadState": "loaded", "ActiveState": "active"}, {"Result": "success"}, "pass", "active"),
        ({"LoadState": "not-found"}, {}, "fail", "not installed"),
        ({"LoadState": "loaded", "ActiveState": "inactive"}, {}, "fail", "inactive"),
        ({"LoadState": "loaded", "ActiveState": "active"}, {"Result": "exit-code"}, "fail", "last run: exit-code"),
    ],
)
def test_the_timer(timer, service, status, measured):
    result = judge_timer("renew.timer", timer, service)
    assert (result["status"], result["measured"]) == (status, measured)


def test_the_tightest_disk_is_told_and_exactly_the_limit_passes():
    roomy, tight = Space("/", 9 * 10**9, 10**10, 90), Space("/var/lib/docker", 2 * 10**9, 10**10, 90)
    result = judge_disk([roomy, tight], 2 * 10**9)
    assert (result["status"], result["measured"]) == ("pass", "2.0 GB free")
    assert judge_disk([roomy, tight], 2 * 10**9 + 1)["status"] == "fail"
    assert judge_disk([dataclasses.replace(roomy, free_inodes=1)], 0)["status"] == "fail"


def test_backups_that_were_cut_off_do_not_count(tmp_path):
    assert backups.newest(tmp_path) is None
    for name, manifest in (("20260101T0", '{"at": 100}'), ("20260102T0", '{"at": 200}'), ("20260103T0", '{"at"')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(manifest)
    (tmp_path / "20260104T0").mkdir()
    assert backups.newest(tmp_path) == ("20260102T0", 200.0)
    assert backups.judge_backup(("x", 200.0), [], 100, now=300)["status"] == "pass"
    assert backups.judge_backup(("x", 200.0), [], 100, now=301)["status"] == "warn"
    assert backups.judge_backup(None, [], 100)["status"] == "warn"


def record(at: float, operation: str = "backup", **more: object) -> dict[str, object]:
    return {"operation": operation, "at": at, "name": f"b{at:g}", "bytes": 1000, "rows": 3, "trouble": "", **more}


@pytest.mark.parametrize(
    ("records", "status", "evidence"),
    [
        ([record(250)], "pass", ["b250"]),
        ([record(250), record(290, trouble="disk full")], "warn", ["b250", "the last backup failed: disk full"]),
        ([record(250, trouble="away"), record(290)], "pass", ["b290"]),
        ([record(280), record(281, "check", trouble="torn")], "warn", ["b280", "the last check failed: torn"]),
        (
            [record(1), record(2), record(290, bytes=499)],
            "warn",
            ["b290", "it has 499 B, and the last ones had 1.0 kB"],
        ),
    ],
)
def test_backups_on_record_are_judged(records: list[dict[str, object]], status: str, evidence: list[str]) -> None:
    judged = backups.judge_backup(None, records, 100, now=300)
    assert (judged["status"], judged["evidence"]) == (status, evidence)


@pytest.mark.parametrize(
    ("records", "status"),
    [
        ([record(250, "prove")], "pass"),
        ([], "warn"),
        ([record(250)], "warn"),
        ([record(100, "prove")], "warn"),
        ([record(250, "prove"), record(260, "prove", trouble="rows are missing")], "warn"),
    ],
)
def test_the_newest_proof_is_judged(records: list[dict[str, object]], status: str) -> None:
    assert backups.judge_proof(records, 100, now=300)["status"] == status


@pytest.mark.parametrize(("text", "seconds"), [("36h", 129600), ("7d", 604800), ("1 w", 604800), ("5m", 300)])
def test_ages(text, seconds):
    assert parse_age(text, "x") == seconds


@pytest.mark.parametrize("text", ["7", "d", "-1d", "1y", "1.5d"])
def test_what_is_no_age_is_named(text):
    with pytest.raises(UserError, match=r"backup_max_age: .* is not an age"):
        parse_age(text, "backup_max_age")


def test_the_look_at_a_foreign_deployment(monkeypatch, tmp_path):
    foreign = [changed(c, project="crm") for c in (SERVER, WORKER, DATABASE)]
    once = inspected(changed(SERVER, project="crm"))
    once["Config"]["Labels"]["com.docker.compose.oneoff"] = "True"

    def answer(argv, *_):
        if argv[:2] == ["docker", "ps"]:
            return "a b c d"
        if argv[:2] == ["docker", "inspect"]:
            return json.dumps([*map(inspected, foreign), inspected(changed(SERVER, project="other")), once])
        return str(tmp_path)

    monkeypatch.setattr(facts, "run", answer)
    monkeypatch.setattr(upkeep, "look", list)
    # A swarm of one that the stack has nothing to do with, as on a Dokploy server, is nobody's warning.
    lone = {"Description": {"Hostname": "m1"}, "Status": {"State": "ready"}, "Spec": {}}
    monkeypatch.setattr(facts, "nodes", lambda: [{**lone, "ManagerStatus": {"Reachability": "reachable"}}])
    seen = look.look(look.Wishes("crm", SERVICES, root=str(tmp_path)))
    statuses = {r["id"]: r["status"] for r in seen.results}
    assert statuses.pop("release.drift") == "skip"
    assert set(statuses.values()) == {"pass"}, seen.results
    assert [c.name for c in seen.containers] == ["crm-blue-server", "crm-blue-worker", "crm-postgres"]
    assert seen.images(SERVICES, "300MB") == [{"name": "server", "image": "sha256:aa", "max_size": "300MB"}]
    assert seen.images(SERVICES, "500MB") == [
        {"name": "server", "image": "sha256:aa", "max_size": "300MB"},
        {"name": "worker", "image": "sha256:aa", "max_size": "500MB"},
    ]


def test_an_engine_that_does_not_answer_is_one_failure(monkeypatch, tmp_path):
    def answer(argv, *_):
        raise UserError("there is no docker command on this host")

    monkeypatch.setattr(facts, "run", answer)
    results = look.look(look.Wishes("crm", SERVICES, root=str(tmp_path))).results
    assert [(r["id"], r["status"]) for r in results[:2]] == [("container.engine", "fail"), ("host.disk", "pass")]
    # What asks no engine still tells; what has nothing to ask says so.
    assert {r["id"] for r in results[2:]} == {"host.ssh", "host.updates", "host.reboot", "host.clock", "host.swap"}


def test_a_container_that_goes_away_meanwhile_is_as_good_as_gone(monkeypatch, tmp_path):
    docker = tmp_path / "docker"
    known = json.dumps([inspected(SERVER)])
    docker.write_text(
        f"""#!/bin/sh
[ "$1" = ps ] && echo a b && exit
echo '{known}'
echo 'Error response from daemon: No such container: b' >&2
exit 1
"""
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert [c.name for c in facts.containers()] == [SERVER.name]
    docker.write_text(docker.read_text().replace("No such container: b", "permission denied"))
    with pytest.raises(UserError, match="permission denied"):
        facts.containers()


TOLD = {"mode": "report", "collects": True, "days": 9, "safe": True, "violations": [], "allow": []}
SEEN = {"page": "/admin", "directive": "script-src-attr", "blocked": "inline", "count": 76}


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({}, "pass", "nginx_certbot_csp_mode: enforce"),
        ({"safe": False}, "pass", ""),
        ({"mode": "enforce"}, "pass", ""),
        (
            {"violations": [SEEN], "allow": ["script-src-attr 'unsafe-inline'"]},
            "warn",
            "script-src-attr 'unsafe-inline'",
        ),
        ({"collects": False}, "skip", ""),
    ],
)
def test_what_browsers_reported_comes_with_what_would_allow_it(changes, status, words):
    result = policy.judge_policy({**TOLD, **changes})
    assert result["status"] == status
    assert words in "".join(result["advice"])
    assert bool(result["advice"]) == bool(words)
    if status == "warn":
        assert result["evidence"] == ["/admin: script-src-attr forbids inline, 76 times"]


@pytest.mark.parametrize("answer", ["", "[]", UserError("no such command")])
def test_an_edge_that_knows_of_no_reports_is_not_judged(monkeypatch, answer):
    def run(argv, *_):
        if isinstance(answer, UserError):
            raise answer
        return answer

    monkeypatch.setattr(facts, "run", run)
    assert look._policy(look.Wishes("crm", edge_switch=["edge-switch"])) == []


@pytest.mark.parametrize(
    ("projects", "own", "further", "missing"),
    [
        (["crm-blue", "sluice-edge"], ["crm-data", "crm-blue"], ["sluice-edge"], []),
        (["crm-blue"], ["crm-data", "crm-blue"], ["sluice-edge"], ["container.project.sluice-edge"]),
        ([], ["crm"], [], ["container.stack"]),
        ([], [], [], []),
    ],
)
def test_a_project_without_a_container_to_judge_is_a_failure(projects, own, further, missing):
    results = judge_presence([changed(SERVER, project=name) for name in projects], own, further)
    assert [r["id"] for r in results if r["status"] == "fail"] == missing


@pytest.mark.parametrize(
    ("settings", "measured"),
    [
        ({"passwordauthentication": "no", "kbdinteractiveauthentication": "no", "usepam": "yes"}, "keys"),
        ({"passwordauthentication": "yes", "kbdinteractiveauthentication": "no"}, "keys and passwords"),
        (
            {"passwordauthentication": "no", "kbdinteractiveauthentication": "yes", "usepam": "yes"},
            "keys and passwords",
        ),
        (
            {"passwordauthentication": "no", "challengeresponseauthentication": "yes", "usepam": "yes"},
            "keys and passwords",
        ),
    ],
)
def test_logins_over_ssh_are_advice(settings, measured):
    result = upkeep.judge_ssh(settings)
    assert (result["status"], result["measured"], bool(result["advice"])) == ("pass", measured, measured != "keys")


@pytest.mark.parametrize(
    ("told", "installed", "measured"),
    [
        ('APT::Periodic "";\nAPT::Periodic::Unattended-Upgrade "1";\n', True, "by themselves"),
        ('APT::Periodic::Unattended-Upgrade "1";\n', False, "by hand"),
        ('APT::Periodic::Unattended-Upgrade "0";\n', True, "by hand"),
        ("", True, "by hand"),
    ],
)
def test_updates_are_advice(told, installed, measured):
    result = upkeep.judge_updates(told, installed)
    assert (result["status"], result["measured"]) == ("pass", measured)


@pytest.mark.parametrize(
    ("noted", "kernels", "running", "status"),
    [
        (False, ["6.12.9-amd64", "6.12.10-amd64"], "6.12.10-amd64", "pass"),
        (False, ["6.12.9-amd64", "6.12.10-amd64"], "6.12.9-amd64", "warn"),
        (False, ["6.12.99-cloud-amd64"], "6.12.9-generic", "skip"),
        (True, [], "6.12.9-amd64", "warn"),
        (False, [], "6.12.9-amd64", "skip"),
    ],
)
def test_a_pending_reboot(noted, kernels, running, status):
    assert upkeep.judge_reboot(noted, ["libc6"], kernels, running)["status"] == status


def test_old_images_are_named_and_dates_from_before_containers_are_none():
    made = {"web": "2026-01-01T00:00:00.5Z", "db": "2026-03-01T00:00:00Z", "odd": "1970-01-01T00:00:01Z", "x": "?"}
    now = 1775001600.0  # 1 April 2026
    result = upkeep.judge_images(made, 60 * 86400, now)
    assert (result["status"], result["measured"]) == ("warn", "90 d at most")
    assert result["evidence"] == ["web: 90 d", "odd does not tell when it was made", "x does not tell when it was made"]
    assert upkeep.judge_images(made, 90 * 86400, now)["status"] == "pass"
    assert upkeep.judge_images({"odd": "1970-01-01T00:00:01Z"}, 1, now)["status"] == "skip"


def test_a_command_that_is_not_there_or_fails_is_said_and_is_no_pass(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(upkeep, "_SBIN", str(tmp_path))
    assert {r["status"] for r in upkeep.look(tmp_path)} == {"skip"}
    for name in ("sshd", "apt-config", "timedatectl"):
        (tmp_path / name).write_text("#!/bin/sh\necho no hostkeys available >&2; exit 1\n")
        (tmp_path / name).chmod(0o755)
    results = upkeep.look(tmp_path)
    assert {r["status"] for r in results} == {"skip"}
    assert "no hostkeys available" in results[0]["evidence"][0]


def test_of_a_swarm_all_nodes_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = {"com.docker.compose.project": "crm-blue", "com.docker.compose.service": "web"}
    spec = {"Name": "crm_blue-web", "Labels": labels, "Mode": {"Replicated": {"Replicas": 2}}}
    spec["TaskTemplate"] = {"ContainerSpec": {"Image": "registry/app@sha256:1"}}
    told = [
        {
            "ID": f"task{n}",
            "ServiceID": "s",
            "Slot": n,
            "NodeID": f"n{n}",
            "CreatedAt": "2026-01-01T00:00:01Z",
            "DesiredState": "running",
            "Status": {"State": "running", "Timestamp": "2026-01-01T00:00:02Z"},
        }
        for n in (1, 2)
    ]
    answers = {
        "/info": {"Swarm": {"ControlAvailable": True}},
        "/services": [{"ID": "s", "UpdatedAt": "2026-01-01T00:00:00Z", "Spec": spec}, {"ID": "x", "Spec": {}}],
        "/nodes": [{"ID": f"n{n}", "Description": {"Hostname": f"m{n}"}} for n in (1, 2)],
        "/tasks": told,
        "/images/{}/json": {"Id": "sha256:app"},
    }
    monkeypatch.setattr(facts.DockerApi, "get", lambda self, path, *names, **query: answers[path])
    local = {"Id": "c", "Name": "/crm_blue-web.1.task1", "State": {"Status": "running"}}
    local["Config"] = {"Labels": {**labels, "com.docker.swarm.task.id": "task1"}}
    monkeypatch.setattr(facts, "run", lambda argv, *_: "c" if "ps" in argv else json.dumps([local]))
    found = facts.containers()
    assert [c.name for c in found] == ["crm_blue-web.1@m1", "crm_blue-web.2@m2"]
    assert {c.image for c in found} == {"sha256:app"}


@pytest.mark.parametrize(
    ("swap", "memory", "measured", "advised"),
    [(0, 2 * 10**9, "none", True), (0, 8 * 10**9, "none", False), (10**9, 2 * 10**9, "1.0 GB", False)],
)
def test_swap_is_told_and_advised_where_memory_is_small(swap, memory, measured, advised):
    result = upkeep.judge_swap({"SwapTotal": swap, "MemTotal": memory})
    assert (result["status"], result["measured"], bool(result["advice"])) == ("pass", measured, advised)
