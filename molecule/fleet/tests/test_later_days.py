"""What people do by hand after the first release: a look, logs, a command, a restart; on two hosts with three stacks."""

from __future__ import annotations

import json
import pathlib
import subprocess

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[3]
SCENARIO = PROJECT / "molecule/fleet"
testinfra_hosts = ["ssh://debian13"]
TOKEN = "planted$value 'of a' secret"
HOSTS = ("crm", "wiki", "crm-second")


@pytest.fixture
def play(tmp_path, play_over):
    """Run a playbook with extra variables, on the hosts and further ones; answers the finished process."""

    def run(name: str, *words: str, hosts: dict | None = None, **variables: object) -> subprocess.CompletedProcess:
        further = tmp_path / "further.yml"
        further.write_text(json.dumps({"compose": {"hosts": hosts or {}}}))
        return play_over(SCENARIO / "inventory", further)(name, *words, **variables)

    return run


@pytest.fixture
def releases(host):
    """The releases of the stacks on the first machine, by stack."""

    def ask() -> dict[str, dict]:
        found = {}
        for stack in ("crm", "wiki"):
            found[stack] = json.loads(host.check_output(f"cat /var/lib/sluice/stacks/{stack}/serving.json"))["current"]
        return found

    return ask


def lines_of(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_hosts_at_a_glance(play, releases):
    told = lines_of(play("status", hosts={"crm-fourth": {"ansible_host": "nowhere.invalid"}}))
    for stack, serving in releases().items():
        row = next(line for line in told.splitlines() if f" {stack} " in line and serving["release"] in line)
        assert serving["colour"] in row
        assert " days " in row
    assert "running, healthy" in told
    assert "crm-fourth  does not answer" in told


def test_who_did_what(play, releases):
    told = lines_of(play("audit"))
    rows = [line for line in told.splitlines() if releases()["wiki"]["release"] in line and " wiki " in line]
    assert rows
    assert "succeeded" in rows[-1]


def test_logs_by_service_and_pattern(play, host):
    name = host.check_output("docker ps --format '{{.Names}}' --filter name=wiki-")
    for said in ("all is well", "the token is planted$value 'of a' secret"):
        host.check_output("docker exec %s sh -c 'echo \"$1\" > /proc/1/fd/2' sh %s", name, said)
    told = lines_of(play("logs", "--limit", "wiki", service="web", grep="is"))
    assert "web | all is well" in told
    assert "web | the token is" in told
    assert "all is well" not in lines_of(play("logs", "--limit", "wiki", service="web", grep="token"))
    wrong = play("logs", "--limit", "wiki", service="wep")
    assert wrong.returncode != 0
    assert "no service 'wep' (did you mean 'web'?)" in wrong.stdout


def test_a_command_in_a_new_container_and_in_one_that_runs(play, host):
    before = host.check_output("docker ps --quiet | sort")
    for where in ("new", "running"):
        told = lines_of(play("run", "--limit", "wiki", service="web", command="printenv TOKEN", where=where))
        assert "***" in told
    failed = play("run", "--limit", "wiki", service="web", command=["sh", "-c", "echo said; exit 7"])
    assert failed.returncode == 2
    assert "ended with status 7" in failed.stdout
    assert "said" in failed.stdout
    late = play("run", "--limit", "wiki", service="web", command="sleep 60", where="running", timeout=1)
    assert "ended with status 124" in late.stdout
    assert host.check_output("docker ps --quiet | sort") == before


def test_a_restart_loses_no_request(play, server, host, releases, load_of):
    before = releases()["crm"]
    with load_of(server("ip", "debian13"), "crm.example.com") as load:
        told = lines_of(play("restart", "--limit", "crm"))
    assert "changed=1" in told
    assert load.lost == []
    assert load.answered > 20
    after = releases()["crm"]
    assert after["release"] == before["release"]
    assert after["colour"] != before["colour"]
    assert host.check_output("docker ps --format '{{.Names}}' --filter name=crm-") == f"crm-{after['colour']}-web"


def test_stopped_and_started_again(play, server, host):
    address = server("ip", "debian13")
    ask = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "--resolve", f"wiki.example.com:443:{address}"]

    def answer() -> str:
        return subprocess.run([*ask, "https://wiki.example.com/"], capture_output=True, text=True, check=True).stdout

    lines_of(play("stop", "--limit", "wiki"))
    assert answer() == "503"
    assert host.check_output("docker ps --quiet --filter name=wiki-") == ""
    assert "changed=0" in lines_of(play("stop", "--limit", "wiki"))
    lines_of(play("start", "--limit", "wiki"))
    assert answer() == "200"
    assert "changed=0" in lines_of(play("start", "--limit", "wiki"))
