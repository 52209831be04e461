"""site.yml's way for Dokploy hosts, against a stand-in server that runs real containers, or a real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from waiting import eventually

testinfra_hosts = ["ssh://debian13"]
# In each test, else pytest would run those that need no server last, after the app is removed.
pytestmark = pytest.mark.usefixtures("host")

SCENARIO = Path(__file__).resolve().parents[1]
PROJECT = SCENARIO.parents[1]
WORK = PROJECT / ".cache/molecule-dokploy"
REAL = "DOKPLOY_URL" in os.environ
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
# Its log says who answers to its own name, which others have as well.
SERVING = """\
services:
  server:
    image: local/sluice-base:trixie
    pull_policy: never
    command: [sh, -c, "while sleep 1; do getent ahostsv4 server; done"]
    stop_grace_period: 1s
    environment: {GREETING: "${GREETING:-none}"}
    healthcheck: {test: [CMD, "true"], interval: 1s}
"""
VARIABLE = {"dokploy_api_env": {"EXTRA": "1"}}
# Of a real server's reach; without it, backups are arranged and not made.
S3 = os.environ.get("DOKPLOY_S3", "")
BACKUPS = {
    "dokploy_api_destinations": [
        {"name": "sluice-trial", "endpoint": S3 or "https://s3.example.com", "region": "us-east-1",
         "bucket": os.environ.get("DOKPLOY_S3_BUCKET", "crm"), "access_key": os.environ.get("DOKPLOY_S3_ACCESS_KEY", "a"),
         "secret_key": os.environ.get("DOKPLOY_S3_SECRET_KEY", "synthetic-5e1c77aa-secret")},
    ],
    "dokploy_api_backups": [
        {"destination": "sluice-trial", "service": "postgres", "database": "twenty", "username": "twenty"},
        {"destination": "sluice-trial", "volume": "storage"},
    ],
}  # fmt: skip
ROUTED = {"dokploy_api_domains": [{"host": "twin.example.com", "service": "server", "port": 8000}]}
CASES = {
    "failing": FAILING_BUILD,
    "crashing": CRASH_LOOP,
    "leaking": LEAKING_BUILD,
    "nowhere": SERVING,
    "twin": SERVING,
}
# Another server that a real Dokploy manages.
ELSEWHERE = os.environ.get("DOKPLOY_SERVER_ID", "")
if ELSEWHERE:
    CASES["elsewhere"] = SERVING
PLACES = {"nowhere": "a-server-that-is-not", "elsewhere": ELSEWHERE}


REPOSITORY = "http://127.0.0.1:8418/cgi-bin/git/app.git"
COMMIT = """\
set -e
rm -rf /tmp/app && git clone -q {repository} /tmp/app && cd /tmp/app
printf 'services: {{web: {{image: "local/sluice-base:trixie", pull_policy: never, command: [sleep, infinity]' > docker-compose.yml
printf ', stop_grace_period: 1s, healthcheck: {{test: [CMD, "true"], interval: 1s}}' >> docker-compose.yml
printf ', environment: {{VERSION: "{version}"}}}}}}\\n' >> docker-compose.yml
git add . && git -c user.name=t -c user.email=t@example.com commit -q -m "version {version}"
git push -q /srv/git/app.git HEAD:main && git rev-parse HEAD
"""


@dataclass
class Run:
    """One run of a playbook."""

    code: int
    output: str

    @property
    def changed(self) -> int:
        return int(re.findall(r"debian13 .*changed=(\d+)", self.output)[-1])

    @property
    def requests(self) -> tuple[int, int]:
        """Queries and changes that its modules say they sent."""
        found = re.findall(r"requests:\s+reads: (\d+)\s+writes: (\d+)", self.output)
        return sum(int(reads) for reads, _ in found), sum(int(writes) for _, writes in found)


@pytest.fixture(scope="module")
def behind():
    """For tests that look behind the API."""
    if REAL:
        pytest.skip("looks behind the API, which a stand-in allows")


@pytest.fixture(scope="module")
def counts(server):
    """Requests that the stand-in got since the last time that this was called; a real server does not tell."""
    address = server("ip", "debian13")

    def ask() -> tuple[int, int] | None:
        if REAL:
            return None
        with urllib.request.urlopen(f"http://{address}:3000/standin/counts") as answer:
            told = json.load(answer)
        return told["GET"], told["POST"]

    return ask


def play(*flags: str, playbook: str = "site", tags: str = "dokploy_api", **variables) -> Run:
    inventories = [PROJECT / "molecule/inventory", SCENARIO / "inventory"]
    done = subprocess.run(
        [
            "ansible-playbook",
            "-vvv",
            *(f"--inventory={inventory}" for inventory in inventories),
            f"--vault-password-file={SCENARIO / 'vault-password'}",
            f"--tags={tags}",
            f"--extra-vars={json.dumps(variables)}",
            *flags,
            PROJECT / f"playbooks/{playbook}.yml",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
        env={**os.environ, "MOLECULE_PROJECT_DIRECTORY": str(PROJECT)},
    )
    print(done.stdout[-6000:], done.stderr[-2000:])
    return Run(done.returncode, done.stdout + done.stderr)


def raw(name: str, text: str) -> dict:
    """Settings of a service of its own beside the demo app."""
    return {
        "dokploy_api_project": f"case-{name}",
        "dokploy_api_name": name,
        "stack_services": {},
        "dokploy_api_compose_file": text,
        "stack_secrets": {"APP_TOKEN": SECRET},
        "dokploy_api_server_id": PLACES.get(name, ""),
        **(ROUTED if name == "twin" else {}),
    }


def project(file: str = "compose.yml") -> dict:
    """Settings of a project with a Compose file of its own."""
    return {
        "stack_name": "shop",
        "stack_domain": "shop.example.com",
        "stack_compose": {"directory": str(WORK / "shop"), "files": [file]},
        "stack_compose_env": {"GREETING": "hello"},
        "stack_routes": [{"path": "/", "service": "server", "port": 8000}],
        "stack_hooks": {},
        "stack_secrets": {},
    }


@pytest.fixture(scope="module")
def cases():
    """A run of each service that stands for itself; at once, since each mostly waits."""
    (WORK / "shop").mkdir()
    (WORK / "shop/compose.yml").write_text(SERVING)
    (WORK / "shop/broken.yml").write_text(SERVING.replace("while sleep 1; do getent ahostsv4 server; done", "exit 3"))
    settings = {"shop": project(), **{name: raw(name, text) for name, text in CASES.items()}}
    with ThreadPoolExecutor() as pool:
        waiting = {name: pool.submit(play, **one) for name, one in settings.items()}
        waiting["shop"].result()
        waiting["broken"] = pool.submit(play, **project("broken.yml"))
        return {name: run.result() for name, run in waiting.items()}


def containers(host, name: str) -> list[str]:
    listed = host.check_output(f"docker ps -a --format '{{{{.Names}}}}' --filter name=^{name}-[a-z]{{6}}-")
    return listed.split()


@pytest.fixture
def variable(host, api, service):
    """`variable(NAME, SERVICE, VARIABLE)`, as the container that serves has it."""

    def of_a_real_server(name: str, of: str, variable: str) -> str:
        rows = api("docker.getContainersByAppNameMatch", appName=service(name)["appName"], appType="docker-compose")
        (container,) = (row["containerId"] for row in rows if row["name"].endswith(f"-{of}-1"))
        environment = api("docker.getConfig", containerId=container)["Config"]["Env"]
        return dict(line.split("=", 1) for line in environment)[variable]

    def of_the_stand_in(name: str, of: str, variable: str) -> str:
        (container,) = (one for one in containers(host, name) if one.endswith(f"-{of}-1"))
        return host.check_output(f"docker exec {container} printenv {variable}")

    return of_a_real_server if REAL else of_the_stand_in


def report() -> dict[str, str]:
    """Check to status, of the last verification."""
    results = json.loads((WORK / "report/crm-debian13.json").read_text())["results"]
    return {result["id"]: result["status"] for result in results}


def test_the_deployment_passed_its_acceptance_checks(behind):
    checks = report()
    assert "fail" not in checks.values()
    assert {checks.get(name) for name in ("site.login", "tls.chain", "site.redirect")} == {"pass"}, checks
    assert checks["host.probe"] == checks["image_size"] == "skip", "nothing logs in unless it may"


def test_the_deployment_is_judged_through_the_api():
    checks = {name.removeprefix("dokploy."): status for name, status in report().items() if name.startswith("dokploy.")}
    judged = ["containers", "build_log", "container_logs", "image_secrets"]
    judged += [f"image_size.{service}" for service in ("server", "worker", "front")]
    assert {checks.get(name) for name in judged} == {"pass"} and "image_size.postgres" not in checks, checks
    assert checks["nightly_prune"] == "warn"


def test_where_plays_may_log_in_the_host_is_looked_at_as_well(behind):
    run = play(tags="verify", dokploy_api_host_access=True, verify_report_directory=str(WORK / "host"))
    assert run.code == 0 and run.requests[1] == 0
    (file,) = (WORK / "host").glob("crm-*.json")
    checks = {result["id"]: result["status"] for result in json.loads(file.read_text())["results"]}
    assert {checks.get(f"container.{name}") for name in ("server", "worker", "front", "postgres")} == {"pass"}, checks
    assert checks["image_size.server"] == "pass" and "fail" not in checks.values()


def test_the_key_is_encrypted(behind):
    assert (WORK / "vault.yml").read_text().startswith("$ANSIBLE_VAULT;")


def test_every_character_of_a_secret_arrived(behind, host):
    expected = re.search(r"^app_secret: (.*)$", (WORK / "made.yml").read_text(), re.M)
    name = next(n for n in containers(host, "crm") if n.endswith("-server-1"))
    arrived = host.check_output(f"docker exec {name} node -p process.env.APP_SECRET")
    assert arrived == json.loads(expected.group(1))


def test_a_change_is_deployed_once_and_then_nothing_is_sent(counts):
    first = play(release="two", **VARIABLE)
    assert first.code == 0 and first.changed == 2
    counts()
    second = play(release="two", **VARIABLE)
    assert second.code == 0 and second.changed == 0
    assert second.requests == (6, 0)
    assert REAL or counts() == (6, 0)


def test_what_served_before_serves_again(variable):
    assert variable("crm", "front", "RELEASE") == "two"
    run = play(playbook="rollback", tags="all")
    assert run.code == 0 and run.changed == 1
    assert variable("crm", "front", "RELEASE") == "one"


def test_backups_are_arranged_once_and_what_was_rolled_back_to_is_not_deployed_again():
    first = play(**BACKUPS, **VARIABLE)
    # A server that had this trial before knows the bucket already.
    assert first.code == 0 and first.requests[1] in (2, 3)
    assert "reasons: []" in first.output and BACKUPS["dokploy_api_destinations"][0]["secret_key"] not in first.output
    second = play(**BACKUPS, **VARIABLE)
    assert second.code == 0 and second.changed == 0 and second.requests == (12, 0)


@pytest.mark.skipif(not (REAL and S3), reason="DOKPLOY_S3 names no bucket within the reach of a real server")
def test_backups_reach_their_bucket(api, service):
    crm = service("crm")
    (dump,), (archive,) = crm["backups"], api("volumeBackups.list", id=crm["composeId"], volumeBackupType="compose")
    api("backup.manualBackupCompose", post=True, backupId=dump["backupId"])
    api("volumeBackups.runManually", post=True, volumeBackupId=archive["volumeBackupId"])
    for kind, one in {"backup": dump["backupId"], "volumeBackup": archive["volumeBackupId"]}.items():
        assert [row["status"] for row in api("deployment.allByType", id=one, type=kind)] == ["done"], kind
    for place, ending in ((f"{crm['appName']}_postgres/", ".sql.gz"), (f"{crm['appName']}/", ".tar")):
        listed = api("backup.listBackupFiles", destinationId=dump["destinationId"], search=place)
        assert [row["Size"] > 1000 for row in listed if row["Name"].endswith(ending)] == [True], listed


def test_each_host_goes_its_groups_way_in_one_run(tmp_path):
    other = {"docker_host_source": "distribution", "stack_name": "other", "stack_domain": "other.example.com"}
    (tmp_path / "hosts.yml").write_text(json.dumps({"compose": {"hosts": {"mirrored": other}}}))
    run = play("--check", f"--inventory={tmp_path}", tags="docker_host,dokploy_api")
    assert run.code == 0
    assert re.search(r"TASK \[sluice.deploy.docker_host : .*\n(?:task path.*\n)?.*mirrored", run.output)
    assert not re.search(r"sluice.deploy.docker_host : .*\n(?:task path.*\n)?.*debian13", run.output)
    assert re.search(r"sluice.deploy.dokploy_api : .*\n(?:task path.*\n)?.*debian13", run.output)


def test_a_failing_build_shows_its_redacted_log(cases):
    run = cases["failing"]
    assert run.code == 2 and "the deployment failed" in run.output
    assert "exit code: 7" in run.output
    assert SECRET not in run.output


def test_a_crash_loop_fails_though_the_server_says_done(cases):
    run = cases["crashing"]
    assert run.code == 2 and "Dokploy calls the deployment done, but its containers do not serve" in run.output
    assert "I die" in run.output


def test_a_secret_in_a_build_log_fails_the_gate(cases):
    run = cases["leaking"]
    assert run.code == 2 and "the build log holds secrets" in run.output
    assert "Value of APP_TOKEN" in run.output and SECRET not in run.output


def test_a_project_with_a_compose_file_of_its_own_is_deployed(cases, variable):
    assert cases["shop"].code == 0 and cases["shop"].changed > 0
    # Also after a release that died and was taken back.
    again = play(**project())
    assert again.code == 0 and again.changed == 0 and again.requests == (6, 0)


def test_after_a_release_that_dies_what_served_serves_again(cases, variable):
    said = " ".join(cases["broken"].output.split())
    assert cases["broken"].code == 2 and "What served before was deployed again, and serves." in said
    assert variable("shop", "server", "GREETING") == "hello"


def test_stacks_beside_each_other_never_answer_for_one_another(cases, api, service):
    def answered(name: str) -> set[str]:
        rows = api("docker.getContainersByAppNameMatch", appName=service(name)["appName"], appType="docker-compose")
        (container,) = (row["containerId"] for row in rows if row["state"] == "running")
        log = api("compose.readLogs", composeId=service(name)["composeId"], containerId=container, tail=10000)
        return set(re.findall(r"\b\d+\.\d+\.\d+\.\d+(?=\s+STREAM)", log))

    # The demo has a routed server as well.
    assert cases["twin"].code == 0
    eventually(lambda: answered("shop") and answered("twin"), 60)
    assert len(answered("shop")) == len(answered("twin")) == 1 and answered("shop") != answered("twin")


def test_a_server_that_dokploy_does_not_manage_is_named(cases):
    run = cases["nowhere"]
    assert run.code == 2 and "server_id a-server-that-is-not is none of the servers" in " ".join(run.output.split())


@pytest.mark.skipif(not ELSEWHERE, reason="DOKPLOY_SERVER_ID names no other server")
def test_another_server_serves(cases, service):
    assert cases["elsewhere"].code == 0 and service("elsewhere")["serverId"] == ELSEWHERE
    again = play(**raw("elsewhere", SERVING))
    assert again.code == 0 and again.changed == 0 and again.requests == (6, 0)


def test_a_git_source_is_deployed_at_the_commit_asked_for(behind, host):
    def settings(revision: str) -> dict:
        return {**raw("git", ""), "dokploy_api_git_url": REPOSITORY, "dokploy_api_revision": revision}

    for version in ("1", "2"):
        commit = host.check_output(COMMIT.format(repository=REPOSITORY, version=version))
        run = play(**settings(commit))
        assert run.code == 0 and run.changed >= 1
        (name,) = containers(host, "git")
        assert host.check_output(f"docker exec {name} printenv VERSION") == version


def test_removed_without_a_trace(host, api, services):
    names = ["crm", "shop", *CASES, *([] if REAL else ["git"])]
    settings = {name: raw(name, "") for name in names} | {"crm": {}, "shop": project()}

    def remove(name: str) -> Run:
        return play(**settings[name], dokploy_api_state="absent", dokploy_api_delete_volumes=True)

    with ThreadPoolExecutor() as pool:
        runs = dict(zip(names, pool.map(remove, names), strict=True))
    assert {name: run.code for name, run in runs.items()} == dict.fromkeys(names, 0)
    for name in [] if REAL else names:
        assert containers(host, name) == []
        assert host.check_output(f"docker volume ls -q --filter name=^{name}-") == ""
    assert not {*settings} & {*services()}
    (bucket,) = (row for row in api("destination.all") if row["name"] == "sluice-trial")
    api("destination.remove", post=True, destinationId=bucket["destinationId"])
