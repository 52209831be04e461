"""Notices of a host with a target that answers, one that hangs and one that is down: told at once, and nobody waits."""

from __future__ import annotations

import json
import pathlib
import time

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[3]
testinfra_hosts = ["ssh://debian13"]
TARGETS = [
    {"kind": "webhook", "url": "http://127.0.0.1:8999/planted-hook"},
    {"kind": "slack", "url": "http://127.0.0.1:8998/planted-hook"},
    {"kind": "ntfy", "url": "http://127.0.0.1:8997/planted-hook", "events": ["*.failed"]},
]
FAILS = {"service": "web", "command": "echo $TOKEN; exit 7", "schedule": "yearly"}


@pytest.fixture
def site(play_over):
    """Run a part of site.yml for the stack wiki; answers the finished process."""
    play = play_over(PROJECT / "molecule/fleet/inventory")
    return lambda part, **variables: play("site", "-vvv", "--limit", "wiki", "--tags", part, **variables)


@pytest.fixture
def sink(host):
    script = (PROJECT / "molecule/fleet/tests/sink.py").read_text()
    host.check_output("printf %%s %s > /root/sink.py", script)
    host.check_output("systemd-run --quiet --unit sink python3 /root/sink.py /root/told")
    yield
    host.run("systemctl stop sink; rm -f /root/told /root/sink.py")


@pytest.mark.long
def test_people_are_told_and_no_release_waits_for_it(host, site, sink, run_module):
    def told() -> list[dict]:
        return [json.loads(line) for line in host.run("cat /root/told").stdout.splitlines()]

    def wait_for(event: str) -> dict:
        for _ in range(50):
            if found := [notice for notice in told() if notice["event"] == event]:
                return found[-1]
            time.sleep(0.2)
        raise AssertionError(f"{event} was not told: {told()}")

    assert site("docker_host", docker_host_notify=TARGETS).returncode == 0
    try:
        wait_for("host.targets")
        done = site("compose_stack", app_version="2", stack_jobs={"fails": FAILS})
        assert done.returncode == 0, done.stdout
        assert wait_for("release.started")["stack"] == "wiki"
        assert " serves as " in wait_for("release.done")["text"]
        assert site("compose_stack", app_version="broken", stack_jobs={"fails": FAILS}).returncode == 2
        failed = wait_for("release.failed")
        assert failed["title"].startswith("The release failed at step start: service web is unhealthy")
        host.run("systemctl start sluice-job-wiki_fails")
        assert "it ended with status 7" in wait_for("job.failed")["text"]
        # A service that is not there: the host finds it by its own clock, and tells it once.
        wishes = {"stack": "wiki", "services": {"web": {"port": 8080}, "absent": {}}}
        clock = {"schedule": "*:*:0/3", "textfile": "/root", "wishes": wishes}
        assert run_module("sluice.deploy.verify_timer", clock)["changed"]
        assert "absent" in wait_for("verify.failed")["text"]
        time.sleep(7)
        assert len([notice for notice in told() if notice["event"] == "verify.failed"]) == 1
        assert 'sluice_release_info{stack="wiki",release="' in host.check_output("cat /root/sluice_wiki.prom")
        assert run_module("sluice.deploy.verify_timer", {**clock, "schedule": "", "textfile": ""})["changed"]
        assert host.run("ls /root/sluice_wiki.prom /etc/systemd/system/sluice-verify-wiki.timer").rc != 0
        assert "planted" not in host.check_output("cat /root/told; journalctl --no-pager --unit 'sluice-*'")
    finally:
        for part in ("docker_host", "compose_stack"):
            restored = site(part)
            assert restored.returncode == 0, restored.stdout
    assert host.run("ls /etc/sluice/notify.json /etc/systemd/system/sluice-notify.path").rc != 0
