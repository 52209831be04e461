"""The role against a stand-in Dokploy server that runs real containers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

testinfra_hosts = ["ssh://debian13"]
pytestmark = [
    pytest.mark.skipif("DOKPLOY_URL" in os.environ, reason="looks behind the API, which a stand-in allows"),
    # Without it in each, pytest would run the tests that need no server last, after the app is removed.
    pytest.mark.usefixtures("host"),
]

SCENARIO = Path(__file__).resolve().parents[1]
PROJECT = SCENARIO.parents[1]
SECRET = "synthetic-0f8a5bcd-value"
FAILING_BUILD = """\
services:
  web:
    build:
      context: .
      dockerfile_inline: |
        FROM local/sluice-base:trixie
        RUN echo "near synthetic-0f8a5bcd-value" && exit 7
"""
CRASH_LOOP = """\
services:
  web:
    image: local/sluice-base:trixie
    pull_policy: never
    restart: always
    command: [sh, -c, "echo I die; exit 3"]
"""
LEAKING_BUILD = """\
services:
  web:
    build:
      context: .
      args: {APP_TOKEN: "${APP_TOKEN}"}
      dockerfile_inline: |
        FROM local/sluice-base:trixie
        ARG APP_TOKEN
        RUN echo "$APP_TOKEN" > /dev/null
    command: [sleep, infinity]
    stop_grace_period: 1s
"""


REPOSITORY = "http://127.0.0.1:8418/cgi-bin/git/app.git"
COMMIT = """\
set -e
rm -rf /tmp/app && git clone -q {repository} /tmp/app && cd /tmp/app
printf 'services: {{web: {{image: "local/sluice-base:trixie", pull_policy: never, command: [sleep, infinity]' > docker-compose.yml
printf ', stop_grace_period: 1s, environment: {{VERSION: "{version}"}}}}}}\\n' >> docker-compose.yml
git add . && git -c user.name=t -c user.email=t@example.com commit -q -m "version {version}"
git push -q /srv/git/app.git HEAD:main && git rev-parse HEAD
"""


@dataclass
class Run:
    """One run of the play."""

    code: int
    output: str
    posts: int
    gets: int

    @property
    def changed(self) -> int:
        return int(re.findall(r"changed=(\d+)", self.output)[-1])


@pytest.fixture(scope="module")
def url(server):
    return f"http://{server('ip', 'debian13')}:3000"


@pytest.fixture(scope="module")
def play(url):
    def counts() -> dict:
        with urllib.request.urlopen(f"{url}/standin/counts") as answer:
            return json.load(answer)

    def run(**variables) -> Run:
        counts()
        argv = ["ansible-playbook", "-vvv", "-i", PROJECT / "molecule/inventory", SCENARIO / "converge.yml"]
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "MOLECULE_PROJECT_DIRECTORY": str(PROJECT)}
        done = subprocess.run(
            [*argv, "--extra-vars", json.dumps(variables)],
            capture_output=True,
            text=True,
            check=False,
            cwd=PROJECT,
            env=environment,
        )
        made = counts()
        print(done.stdout[-6000:], done.stderr[-2000:])
        return Run(done.returncode, done.stdout + done.stderr, made["POST"], made["GET"])

    return run


def raw(name: str, text: str) -> dict:
    """Settings of a service of its own beside the demo app."""
    return {
        "dokploy_api_project": "cases",
        "dokploy_api_name": name,
        "stack_services": {},
        "dokploy_api_compose_file": text,
        "stack_secrets": {"APP_TOKEN": SECRET},
    }


def containers(host, name: str) -> list[str]:
    listed = host.check_output(f"docker ps -a --format '{{{{.Names}}}}' --filter name=^{name}-[a-z]{{6}}-")
    return listed.split()


def test_the_app_answers(host):
    name = next(n for n in containers(host, "crm") if n.endswith("-server-1"))
    form = '{{(index .NetworkSettings.Networks "dokploy-network").IPAddress}}'
    address = host.check_output(f"docker inspect -f '{form}' {name}")
    script = f"import urllib.request as u; print(u.urlopen('http://{address}:3000/api/health').read().decode())"
    assert json.loads(host.check_output(f'python3 -c "{script}"'))["status"] == "ok"


def test_every_character_of_a_secret_arrived(host):
    expected = re.search(r"^app_secret: (.*)$", (PROJECT / ".cache/molecule-dokploy/secrets.yml").read_text(), re.M)
    name = next(n for n in containers(host, "crm") if n.endswith("-server-1"))
    arrived = host.check_output(f"docker exec {name} node -p process.env.APP_SECRET")
    assert arrived == json.loads(expected.group(1))


def test_a_second_run_sends_no_change(play):
    run = play()
    assert run.code == 0 and run.changed == 0
    assert (run.posts, run.gets) == (0, 6)


def test_a_changed_variable_is_deployed_once(host, play):
    first = play(dokploy_api_env={"EXTRA": "1"})
    assert first.code == 0 and first.changed == 2
    assert play(dokploy_api_env={"EXTRA": "1"}).changed == 0


def test_a_failing_build_shows_its_redacted_log(play):
    run = play(**raw("failing", FAILING_BUILD))
    assert run.code == 2 and "the deployment failed" in run.output
    assert "exit code: 7" in run.output
    assert SECRET not in run.output


def test_a_crash_loop_fails_though_the_server_says_done(play):
    run = play(**raw("crashing", CRASH_LOOP))
    assert run.code == 2 and "Dokploy calls the deployment done, but its containers do not serve" in run.output
    assert "I die" in run.output


def test_a_secret_in_a_build_log_fails_the_gate(play):
    run = play(**raw("leaking", LEAKING_BUILD))
    assert run.code == 2 and "the build log holds secrets" in run.output
    assert "Value of APP_TOKEN" in run.output and SECRET not in run.output


def test_a_git_source_is_deployed_at_the_commit_asked_for(host, play):
    def settings(revision: str) -> dict:
        return {**raw("git", ""), "dokploy_api_git_url": REPOSITORY, "dokploy_api_revision": revision}

    for version in ("1", "2"):
        commit = host.check_output(COMMIT.format(repository=REPOSITORY, version=version))
        run = play(**settings(commit))
        assert run.code == 0 and run.changed >= 1
        (name,) = containers(host, "git")
        assert host.check_output(f"docker exec {name} printenv VERSION") == version
    assert play(**settings(commit)).changed == 0


@pytest.mark.parametrize("name", ["git", "failing", "crashing", "leaking", "crm"])
def test_removed_without_a_trace(host, play, name):
    settings = {} if name == "crm" else raw(name, "")
    run = play(**settings, dokploy_api_state="absent", dokploy_api_delete_volumes=True)
    assert run.code == 0
    assert containers(host, name) == []
    assert host.check_output(f"docker volume ls -q --filter name=^{name}-") == ""
