"""Security upgrades that want a restart get it at their time, and the site is back by itself."""

from __future__ import annotations

import subprocess

import pytest
from conftest import run
from waiting import eventually


@pytest.mark.long
def test_the_host_restarts_at_its_time_and_serves_again(verify, server):
    # What keeps a restart for its time; disposable servers do without it.
    server("ssh", "demo", "systemctl unmask --quiet systemd-logind && systemctl start systemd-logind")
    begun = server("ssh", "demo", "stat --format %Y /proc/1")
    at = server("ssh", "demo", "date --date '+2 minutes' +%H:%M").strip()
    settings = f'{{"docker_host_upgrades_enabled": true, "docker_host_upgrades_reboot": "{at}"}}'
    playbook = ["ansible-playbook", "playbooks/site.yml", "-i", "inventories/demo", "--tags", "docker_host"]
    ran = run(*playbook, "--extra-vars", settings, DEMO_ADDRESS=server("ip", "demo"))
    assert ran.status == 0, ran.output[-8000:]
    said = server("ssh", "demo", "touch /run/reboot-required && unattended-upgrade --verbose 2>&1")
    assert "Found /var/run/reboot-required, rebooting" in said
    assert "MODE=reboot" in server("ssh", "demo", "cat /run/systemd/shutdown/scheduled")
    name = server("name", "demo").strip()
    state = ["docker", "container", "inspect", "--format", "{{.State.Running}}", name]
    eventually(lambda: subprocess.run(state, capture_output=True, text=True, check=True).stdout == "false\n", 180)
    # A container whose system has ended is not started again by itself, as a machine is.
    server("reboot", "demo")
    assert server("ssh", "demo", "stat --format %Y /proc/1") != begun
    eventually(lambda: "unhealthy" not in (told := server("ssh", "demo", "docker ps")) and "starting" not in told, 120)
    ran, _ = verify()
    assert ran.status == 0, ran.output[-8000:]
