"""Everything arrives in the containers; a second release loses no request; a rollback brings the old one."""

from __future__ import annotations

import json
import socket

import pytest
from projects import COMPOSE, NAMES, STACKS, container, get, play, serving

testinfra_hosts = ["ssh://debian13"]


def test_a_second_release_of_each_project_loses_no_request(host, second):
    asked = sum(second.versions.values())
    print(f"six releases in {second.seconds:.0f} s under {asked} requests, {len(second.failures)} lost")
    assert second.failures == []
    assert set(second.versions) == {(name, version) for name in (*NAMES, *COMPOSE) for version in "12"}


def test_jobs_ran_once_in_each_release_in_their_order(host, second):
    log = host.check_output("cat /var/lib/docker/volumes/order_log/_data/order").splitlines()
    assert log == [f"{word} {version}" for version in "12" for word in ("migrate", "seed", "beat")]


def test_what_a_job_said_is_on_record_without_the_password(host, second):
    record = json.loads(host.check_output(f"tail -n 1 {STACKS}/order/releases.jsonl"))
    assert record["jobs"]["migrate"]["status"] == 0
    assert record["jobs"]["migrate"]["output"].startswith("migrate: the password is ")
    password = host.check_output(f"cat {STACKS}/order/releases/{record['release']}/secrets.yml").split('PASSWORD: "')[1]
    assert password[:11] not in host.check_output(f"cat {STACKS}/order/releases.jsonl")


def test_services_started_in_their_order(host, second):
    names = [f"order-green-{name}" for name in ("api-1", "web", "beat")]
    started = [container(host, name)["State"]["StartedAt"] for name in names]
    assert started == sorted(started)
    stopped = container(host, "order-blue-beat")["State"]["FinishedAt"]
    assert stopped < started[2], "the old one writes no more when the new one begins"
    db, cache = (container(host, f"order-{name}")["State"]["StartedAt"] for name in ("db", "cache"))
    assert cache < db < started[0]


@pytest.mark.parametrize("name", ["api", "order_api", "api.internal"])
def test_every_name_of_a_sibling_means_the_same_release(address, host, second, name):
    answers = [get(address, "order", f"/?ask={name}:8000/") for _ in range(20)]
    assert {a["version"] for a in answers} == {"2"}
    assert len({a["host"] for a in answers}) == 2, "both of its containers answer"


@pytest.mark.parametrize("name", ["db", "order_db", "cache"])
def test_the_stateful_services_are_reached_by_all_their_names(address, host, second, name):
    assert get(address, "order", f"/?ask={name}:8000/")["version"] == "1"


def test_words_and_variables_arrive_byte_for_byte(address, host, second):
    told = get(address, "runtime")
    assert told["argv"] == ["serve", "${HOME} $$ $(id)", 'it\'s "quoted"', "two\nlines", ""]
    expected = {
        "DOLLAR": "a$b ${C} $$",
        "QUOTES": 'it\'s "quoted" #not a comment',
        "LINES": "one\n two\n",
        "JSON": '{"a": ["b", 1]}',
        "BLANK": "",
        "discovery.type": "single-node",
    }
    assert {key: told["env"].get(key) for key in expected} == expected
    assert told["env"]["PASSWORD"].endswith("$b'c\"d")
    assert container(host, "runtime-green-web")["State"]["Health"]["Status"] == "healthy"


def test_compose_s_own_keys_arrive(address, host, second):
    told = get(address, "runtime")
    assert told["ids"] == [1234, 5678, [4321, 5678]] or told["ids"] == [1234, 5678, [4321]]
    assert (told["cwd"], told["host"], told["nofile"]) == ("/srv", "its-own-name", [1000, 2000])
    found = container(host, "runtime-green-web")
    config, runs = found["Config"], found["HostConfig"]
    assert (config["StopSignal"], config["Tty"], config["OpenStdin"]) == ("SIGINT", True, True)
    assert config["Labels"]["told"] == "$5 ${X}"
    assert (runs["Init"], runs["ShmSize"], runs["OomScoreAdj"]) == (True, 33554432, 77)
    assert runs["Sysctls"] == {"net.core.somaxconn": "77"}
    assert runs["LogConfig"]["Type"] == "local"
    assert (runs["SecurityOpt"], runs["CapDrop"]) == (None, None)
    inside = host.check_output(
        "docker exec runtime-green-web sh -c 'cat /proc/sys/net/core/somaxconn; getent hosts elsewhere;"
        " stat -c %A /dev/nowhere; grep search /etc/resolv.conf; df -k /scratch | tail -n 1; cat /proc/1/comm'"
    )
    for expected in ("77", "192.0.2.7", "crw", "example.net", "1024"):
        assert expected in inside
    hardened = container(host, "runtime-green-hardened")["HostConfig"]
    assert hardened["SecurityOpt"] == ["no-new-privileges:true"]
    assert (hardened["CapDrop"], hardened["ReadonlyRootfs"]) == (["ALL"], True)


def test_files_arrive_with_their_modes(address, host, second):
    conf, modes = get(address, "files")["argv"][1:]
    assert (conf, modes) == ('name = "$HOME"', "400 1234 755 0 ")
    read = "docker exec files-green-web cat"
    assert host.check_output(f"{read} /etc/app/link") == "part"
    assert host.check_output("docker exec --user 1234 files-green-web cat /run/secret.conf") == "version 2 $HOME ${X} ü"
    assert host.run("docker exec --user 0 files-green-web touch /etc/app/x").rc != 0
    assert host.check_output("docker exec files-db cat /etc/db.conf") == "second"
    release = serving(host, "files")["current"]["release"]
    mounts = {m["Destination"]: m["Source"] for m in container(host, "files-green-web")["Mounts"]}
    assert mounts["/etc/app"].startswith(f"{STACKS}/files/releases/{release}/files/")


def test_ports_of_a_service_and_of_the_server(address, host, second):
    assert [get(address, "ports", path)["port"] for path in ("/", "/web:8000/", "/web:9000/")] == [8000, 8000, 9000]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(b"hello", (address, 17000))
        assert client.recv(100) == b"2 hello"
    for port in (18000, 15432):
        assert host.run(f"curl -fsS http://127.0.0.1:{port}/").rc == 0
        with pytest.raises(OSError):
            socket.create_connection((address, port), 2)


def test_volumes_by_their_own_names(host, second):
    read = "docker exec ports-green-web"
    assert host.check_output(f"{read} cat /data/part/old /part/old").split() == ["kept", "kept"]
    assert host.check_output(f"{read} df -k /sized | tail -n 1").split()[1] == "1024"
    assert host.check_output("stat -c %u /var/lib/docker/volumes/project_uploads/_data") == "1234"
    assert "/anonymous" in {m["Destination"] for m in container(host, "ports-green-web")["Mounts"]}


def test_what_was_trusted_is_told(host, second):
    assert "Service beat has no health check: it passed because it stayed up." in " ".join(second.output.split())


def test_a_job_that_fails_leaves_what_serves(address, host, second):
    before = serving(host, "order")
    played = play(app_version="1", job_status="7")
    assert played.returncode != 0
    assert "job migrate ended with status 7" in played.stdout
    assert serving(host, "order") == before
    assert get(address, "order")["version"] == "2"


def test_a_changed_file_is_another_release_and_a_rollback_brings_the_old_one(address, host, second):
    played = play(compose_stack_state="rolled_back")
    assert played.returncode == 0, played.stdout
    back = (*NAMES, "wiki")
    assert {name: get(address, name)["version"] for name in back} == dict.fromkeys(back, "1")
    assert host.check_output("docker exec wiki-blue-web cat /etc/site.conf") == "site 1"
    read = "docker exec --user 1234 files-blue-web cat /run/secret.conf"
    assert host.check_output(read) == "version 1 $HOME ${X} ü"
    log = host.check_output("cat /var/lib/docker/volumes/order_log/_data/order").splitlines()
    assert [line for line in log if line.startswith(("migrate", "seed"))].count("seed 1") == 1, "no job ran again"
