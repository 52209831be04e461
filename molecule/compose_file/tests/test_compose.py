"""Projects with Compose files of their own: what they say arrives, what their secrets are is nowhere else."""

from __future__ import annotations

import json
import re
import shutil
import socket

import pytest
from projects import PROJECT, STACKS, container, get, play, serving

testinfra_hosts = ["ssh://debian13"]
PROJECTS = PROJECT / "molecule/compose_file/projects"
SITE = "playbooks/site.yml"


def test_words_and_variables_arrive_as_compose_has_them(address, host, second):
    told = get(address, "shop")
    assert told["argv"] == ["serve", "it's one word", "${HOME}", "hello,", "world", "--flag=a b"]
    expected = {
        "DOLLAR": "a$b ${C} hello, world",
        "LINES": "one\n two\n",
        "JSON": '{"a": ["b", 1]}',
        "OFF": "no",
        "BLANK": "",
        "FILED": "of the file",
        "QUOTED": "a b # c",
        "OWN": "yes",
    }
    assert {key: told["env"].get(key) for key in expected} == expected
    assert not [key for key in told["env"] if key.endswith("_FILE")], "the file says nothing of such variables"
    assert (told["ids"][:2], told["cwd"], told["nofile"]) == ([0, 4321], "/srv", [1000, 2000])
    assert container(host, "shop-green-web")["Config"]["Labels"]["com.example.told"] == "kept $5"


def test_files_configs_and_secrets_arrive(host, second):
    read = "docker exec shop-green-web cat"
    assert host.check_output(f"{read} /etc/app/app.conf") == 'name = "$HOME ${X}"'
    assert host.check_output(f"{read} /etc/app/parts/one.conf /etc/motd").split() == ["part", "welcome"]
    assert host.check_output(f"{read} /etc/told") == "version 2\n${NOT_FILLED}"
    assert host.check_output(f"{read} /run/secrets/api_token").endswith("-token\nof two lines")
    planted = (PROJECTS / "shop/secrets/certificate.pem").read_text().strip()
    assert host.check_output(f"{read} /run/secrets/certificate") == planted
    mounts = {m["Destination"]: m.get("Name") or m["Source"] for m in container(host, "shop-green-web")["Mounts"]}
    assert (mounts["/data"], mounts["/srv/uploads"]) == (f"{STACKS}/shop/binds/data", "shop-uploads")


def test_every_service_is_what_the_file_means(host, second):
    names = set(host.check_output("docker ps --format '{{.Names}}'").split())
    running = {name for name in names if name.startswith("shop-")}
    released = {f"shop-green-{name}" for name in ("web", "api-server-1", "api-server-2", "worker", "beat", "admin")}
    assert running == {"shop-cache", *released}, "no proxy, and nothing of a profile that nobody asked for"
    log = host.check_output("cat /var/lib/docker/volumes/shop_log/_data/shop").splitlines()
    assert [line for line in log if line.startswith("seed")] == ["seed 1", "seed 2"]
    for port in (16379, 18080):
        kept = host.run(f"timeout 2 bash -c '</dev/tcp/127.0.0.1/{port}'").rc == 0
        assert kept == (port == 16379), "a data service's own port, which was asked for"
    api, web = (container(host, f"shop-green-{name}")["State"]["StartedAt"] for name in ("api-server-1", "web"))
    assert api < web


@pytest.mark.parametrize("name", ["api_server", "api-server", "shop_web"])
def test_names_with_underscores_mean_the_same_release(address, host, second, name):
    told = [get(address, "shop", f"/?ask={name}:8000/") for _ in range(5)] if name != "shop_web" else []
    assert {answer["version"] for answer in told} <= {"2"}
    if name == "shop_web":
        said = host.check_output(
            'docker exec shop-green-worker python3 -c "import urllib.request as u;'
            "print(u.urlopen('http://shop_web:8000/').read().decode())\""
        )
        assert json.loads(said)["version"] == "2"


def test_a_secret_within_a_command_and_a_check_works_and_is_nowhere_else(host, second):
    password = re.search(r"redis://:(.*)@cache", get_env(host, "shop-green-web", "REDIS_URL"))[1]
    found = container(host, "shop-cache")
    assert found["State"]["Health"]["Status"] == "healthy"
    assert found["Config"]["Cmd"][:3] == ["redis-server", "--requirepass", password]
    assert host.run("docker exec shop-cache redis-cli ping").stdout.startswith("NOAUTH")
    start = password.partition("-")[0]
    held = host.check_output(f"grep -rl {start} {STACKS}/shop /var/log 2>/dev/null || true").splitlines()
    assert held
    assert {name.rpartition("/")[2] for name in held} <= {"secrets.yml", "API_TOKEN"}, held
    modes = host.check_output(f"stat -c %a {' '.join(held)}").split()
    assert set(modes) <= {"600", "400"}
    assert start not in second.output


def get_env(host, name: str, variable: str) -> str:
    return dict(line.partition("=")[::2] for line in container(host, name)["Config"]["Env"])[variable]


def test_a_repository_that_a_key_opens(address, host, second):
    told = get(address, "wiki")
    assert (told["env"]["STAGE"], told["env"]["SHARED"], told["env"]["BUILT"]) == ("production", "of the base", "built")
    assert [get(address, "wiki", f"/web:{port}/")["port"] for port in (8000, 9000)] == [8000, 9000]
    assert host.check_output("docker exec wiki-green-web cat /etc/site.conf") == "site 2"
    assert container(host, "wiki-green-web")["HostConfig"]["Init"] is True
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(b"hello", (address, 17001))
        assert client.recv(100) == b"2 hello"
    assert container(host, "wiki-green-echo")["Config"]["Hostname"] == "echo-host"
    assert host.run(f"grep -rl 'OPENSSH PRIVATE' {STACKS}/wiki").rc == 1, "the key lies nowhere"


def test_a_changed_file_is_another_release_and_a_rollback_brings_the_old_one(address, host, second, tmp_path):
    before, other = serving(host, "shop")["current"]["release"], serving(host, "wiki")
    changed = tmp_path / "shop"
    shutil.copytree(PROJECTS / "shop", changed)
    (changed / "conf/parts/one.conf").write_text("another\n")
    played = play(SITE, app_version="2", shop_directory=str(changed))
    assert played.returncode == 0, played.stdout
    now = serving(host, "shop")["current"]
    assert now["release"] != before
    read = "docker exec shop-{}-web cat /etc/app/parts/one.conf"
    assert host.check_output(read.format(now["colour"])) == "another"
    assert serving(host, "wiki") == other, "nothing of it changed"
    played = play(SITE, app_version="2", compose_stack_state="rolled_back", shop_directory=str(changed))
    assert played.returncode == 0, played.stdout
    back = serving(host, "shop")["current"]
    assert back["release"] == before
    assert host.check_output(read.format(back["colour"])) == "part"
    # The other stack went back as well.
    assert play(SITE, app_version="2").returncode == 0
    assert get(address, "wiki")["version"] == "2"
