"""What was deployed is broken, one thing at a time: that check fails, says so, and no other does.

Faults of a proxy, its certificate and its ports are broken in the scenario verify.
"""

from __future__ import annotations

import contextlib
import json

import pytest

testinfra_hosts = ["ssh://demo"]
STATE = "/var/lib/sluice/stacks/crm"


def well(host, command: str) -> str:
    done = host.run(command)
    assert done.rc == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


class Deployment:
    """The release that serves, and ways to tamper with it."""

    def __init__(self, host) -> None:
        self.host = host
        current = json.loads(well(host, f"cat {STATE}/serving.json"))["current"]
        self.project, self.directory = f"crm-{current['colour']}", f"{STATE}/releases/{current['release']}"

    def up(self, service: str, file: str = "compose.yml") -> None:
        compose = f"docker compose --progress quiet --project-name {self.project} --file {file} --file secrets.yml"
        well(self.host, f"cd {self.directory} && {compose} up --detach --wait --no-deps {service}")

    @contextlib.contextmanager
    def edited(self, service: str, script: str):
        """A service as a changed Compose file describes it, and as released afterwards."""
        well(self.host, f"cd {self.directory} && sed -E '{script}' compose.yml >tampered.yml")
        try:
            self.up(service, "tampered.yml")
            yield
        finally:
            well(self.host, f"rm {self.directory}/tampered.yml")
            self.up(service)

    @contextlib.contextmanager
    def done(self, command: str, undo: str, service: str = ""):
        well(self.host, command)
        try:
            yield
        finally:
            well(self.host, undo)
            if service:
                self.up(service)


def dead_worker(it: Deployment):
    return it.done(f"docker stop --time 1 {it.project}-worker", "true", "worker")


def leaked_secret(it: Deployment):
    container = f"{it.project}-server"
    leak = f"""docker exec {container} sh -c 'echo "started with $(cat /run/secrets/APP_SECRET)" >/proc/1/fd/1'"""
    return it.done(leak, f"truncate --size 0 $(docker inspect --format '{{{{.LogPath}}}}' {container})")


def wrong_address(it: Deployment):
    return it.edited("server", "s,(SERVER_URL|FRONT_BASE_URL): .*,\\1: https://crm.example.net,")


def another_image(it: Deployment):
    image = f"$(docker inspect --format '{{{{.Config.Image}}}}' {it.project}-front)"
    well(it.host, f"printf 'FROM %s\\nLABEL tampered=yes\\n' \"{image}\" | docker build --quiet --tag tampered -")
    return it.edited("front", "s,image: .*crm-front.*,image: tampered,")


def stopped_timer(it: Deployment):
    timer = "sluice-edge-certificates.timer"
    return it.done(f"systemctl stop {timer}", f"systemctl start {timer}")


@pytest.mark.parametrize(
    ("fault", "check", "says"),
    [
        (dead_worker, "container.worker", "exited"),
        (leaked_secret, "log_secrets", "APP_SECRET"),
        (wrong_address, "site.origin", "SERVER_URL"),
        (another_image, "release.drift", "released was"),
        (stopped_timer, "host.renewal_timer", "inactive"),
    ],
)
def test_one_fault_fails_one_check(fault, check, says, host, verify, secrets):
    deployment = Deployment(host)
    with fault(deployment):
        before = well(host, "docker ps --quiet --no-trunc | sort")
        ran, results = verify()
        after = well(host, "docker ps --quiet --no-trunc | sort")
    failed = {id for id, result in results.items() if result["status"] == "fail"}
    assert failed == {check}, json.dumps([r for r in results.values() if r["status"] != "pass"], indent=1)
    assert ran.status != 0
    assert f"1 check failed: {check}" in ran.output, ran.output[-4000:]
    assert says in json.dumps(results[check], ensure_ascii=False)
    assert results[check]["advice"]
    assert after == before, "verify changed what runs"
    assert not [name for name, value in secrets.items() if value in ran.output]


def test_mended_nothing_fails(verify):
    ran, results = verify()
    assert ran.status == 0, ran.output[-4000:]
    assert {result["status"] for result in results.values()} <= {"pass", "skip", "warn"}
