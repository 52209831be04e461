"""Bad input: one clear error before anything changes, and the engine goes on."""

from __future__ import annotations

import subprocess

import pytest
import testinfra

testinfra_hosts = ["ssh://debian13"]


def state(host) -> str:
    """What a refused play must leave as it is."""
    return host.check_output(
        "sha256sum /etc/docker/daemon.json /etc/sluice/firewall.nft /etc/systemd/system/sluice-*; "
        "systemctl show --property=ActiveEnterTimestamp docker.service"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"docker_host_log_max_sise": "1m"},
            "docker_host_log_max_sise is not a setting (did you mean 'docker_host_log_max_size'?)",
        ),
        ({"docker_host_source": "snap"}, "value of docker_host_source must be one of"),
        ({"docker_host_daemon": {"log-level": "bananas"}}, "dockerd refuses the configuration, nothing was changed"),
        ({"docker_host_daemon": {"no-such-key": 1}}, "dockerd refuses the configuration, nothing was changed"),
    ],
)
def test_bad_setting(host, play, settings, message):
    before = state(host)
    status, output = play("debian13", **settings)
    assert status != 0, output
    assert message in " ".join(output.split()), output
    assert "Traceback" not in output
    assert state(host) == before
    host.check_output("docker info")


def test_every_trouble_in_one_message(host, play):
    before = state(host)
    settings = {
        "docker_host_firewall_allow": ["http"],
        "docker_host_log_max_size": "10 bananas",
        "docker_host_min_memory": "900TB",
        "docker_host_min_disk": "900TB",
        "docker_host_users": ["nobody-here"],
        "docker_host_free_ports": [22],
        "docker_host_upgrades_reboot": "at night",
    }
    status, output = play("debian13", **settings)
    assert status != 0, output
    output = " ".join(output.split())
    for part in (
        "docker_host_firewall_allow: 'http' is not a port; write 443",
        "docker_host_log_max_size: '10 bananas' is not a log size",
        "of memory, docker_host_min_memory asks for 900.0 TB",
        "docker_host_min_disk asks for",
        "docker_host_users: there is no user 'nobody-here' on this server",
        "port 22 is taken by sshd",
        "docker_host_upgrades_reboot: 'at night' is no time of day",
    ):
        assert part in output
    assert "Traceback" not in output
    assert state(host) == before


def test_unsupported_system(host, play):
    host.check_output(
        "mv /etc/os-release /etc/os-release.own && printf 'ID=fedora\\nVERSION_ID=41\\nPRETTY_NAME=\"Fedora 41\"\\n' > /etc/os-release"
    )
    try:
        status, output = play("debian13")
    finally:
        host.check_output("mv /etc/os-release.own /etc/os-release")
    assert status != 0
    assert "Fedora 41 is not supported; use one of Debian 12, Debian 13, Ubuntu 22.04, Ubuntu 24.04" in " ".join(
        output.split()
    )


def test_an_engine_that_does_not_come_back_gets_its_former_file(host, play):
    """`hosts` passes validation but clashes with the unit's own flag."""
    before = host.file("/etc/docker/daemon.json").content_string
    status, output = play("debian13", docker_host_daemon={"hosts": ["unix:///var/run/other.sock"]})
    assert status != 0, output
    assert "it runs again with the former file" in " ".join(output.split()), output
    assert host.file("/etc/docker/daemon.json").content_string == before
    host.check_output("docker info")


def test_a_broken_file_of_the_users_is_named(host, play):
    before = host.file("/etc/docker/daemon.json").content_string
    host.check_output("echo '{\"labels\": [' > /etc/docker/daemon.json")
    try:
        status, output = play("debian13")
    finally:
        host.check_output(f"cat > /etc/docker/daemon.json <<'END'\n{before}END")
    assert status != 0
    assert "/etc/docker/daemon.json is not valid JSON" in " ".join(output.split())
    host.check_output("docker info")


def test_rules_flushed_by_hand_come_back(host, play):
    # The resolver of a disposable server is rules of the engine that runs it; without them, it finds no archive anymore.
    host.check_output(
        "resolver=$(iptables-save -t nat | grep -E 'DOCKER_(OUTPUT|POSTROUTING)'); nft flush ruleset; "
        "printf '*nat\\n%s\\nCOMMIT\\n' \"$resolver\" | iptables-restore --noflush; systemctl restart docker"
    )
    status, output = play("debian13")
    assert status == 0, output
    assert "to_containers" in host.check_output("nft list table inet sluice")


UPKEEP = {
    "docker_host_ssh_keys_only": True,
    "docker_host_fail2ban_enabled": True,
    "docker_host_upgrades_enabled": True,
    "docker_host_upgrades_reboot": "04:30",
}


def test_a_new_ssh_connection_still_gets_in(host, play, server):
    """Even with nothing listed, and where sshd takes keys alone."""
    status, output = play("debian13", docker_host_firewall_allow=[], **UPKEEP)
    assert status == 0, output
    try:
        login = ["ssh", "-F", server("config"), "-o", "ControlPath=none", "debian13", "sshd -T"]
        told = subprocess.run(login, capture_output=True, text=True, check=True).stdout
        assert "passwordauthentication no" in told.splitlines()
        assert "Status for the jail: sshd" in host.check_output("fail2ban-client status sshd")
        assert 'Automatic-Reboot-Time "04:30"' in host.check_output("apt-config dump")
        assert not host.check_output("systemctl list-units --no-legend 'sluice-ssh-undo*'")
    finally:
        status, output = play("debian13")
    assert status == 0, output
    assert "passwordauthentication yes" in host.check_output("sshd -T").splitlines()
    assert host.run("systemctl is-active fail2ban").rc != 0
    assert "Automatic-Reboot-Time" not in host.check_output("apt-config dump")


def test_switched_off_again(host, play):
    status, output = play("debian13", docker_host_firewall_enabled=False, docker_host_prune_enabled=False)
    assert status == 0, output
    try:
        assert host.run("nft list table inet sluice").rc != 0
        assert not host.file("/etc/systemd/system/sluice-prune.timer").exists
        assert host.run("systemctl is-active sluice-prune.timer").rc != 0
    finally:
        status, output = play("debian13")
    assert status == 0, output


def test_held_at_the_pinned_version(server):
    mirrored = testinfra.get_host("ssh://mirrored", ssh_config=server("config"))
    assert mirrored.package("docker-ce").version.startswith("5:28.0.4")
    assert "docker-ce" in mirrored.check_output("apt-mark showhold").split()


def test_debian_12_lacks_compose(play):
    status, output = play("debian12", docker_host_source="distribution")
    assert status != 0
    assert "has no Compose v2 among its own packages" in " ".join(output.split())
