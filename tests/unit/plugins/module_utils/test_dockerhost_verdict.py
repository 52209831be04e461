from __future__ import annotations

import copy
import json
import shutil
import subprocess

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.dockerhost import daemon_config, verdict

HOST = {
    "distribution": "debian",
    "version": "13",
    "codename": "trixie",
    "name": "Debian GNU/Linux 13 (trixie)",
    "architecture": "x86_64",
    "memory": 4 * 10**9,
    "disk_free": 40 * 10**9,
    "cgroup_controllers": ["cpu", "io", "memory", "pids"],
    "uplink": {"device": "eth0", "mtu": 1500},
    "listeners": {22: "sshd"},
    "ssh_ports": [22],
    "packages": {},
    "held_packages": [],
    "snap_docker": False,
    "swarm": False,
    "units": {},
}
NEEDS = {
    "source": "docker",
    "packages": verdict.DOCKER_PACKAGES,
    "min_memory": 10**9,
    "min_disk": 10**10,
    "free_ports": [80, 443],
    "live_restore": True,
    "log_max_size": "10m",
    "prune_older_than": "168h",
    "prune_schedule": "daily",
    "apt_source": {},
    "apt_settings": {"docker_host_apt_url": "https://mirror.test/linux"},
    "firewall_allow": [80],
    "unknown_users": [],
    "upgrades_reboot": "04:30",
    "fail2ban_ignore": ["192.0.2.0/24", "2001:db8::1"],
    "locked_out": "",
}
SETTINGS = {
    "log_max_size": "10m",
    "log_max_file": 3,
    "live_restore": True,
    "address_pools": [],
    "mtu": 0,
    "registry_mirrors": [],
    "insecure_registries": [],
    "daemon": {},
}


def host(**changes):
    return {**copy.deepcopy(HOST), **changes}


def test_a_fitting_server_has_no_problems():
    assert verdict.find_problems(HOST, NEEDS) == []


@pytest.mark.parametrize(
    ("distribution", "version"), [("debian", "12"), ("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")]
)
def test_supported_systems(distribution, version):
    assert verdict.find_problems(host(distribution=distribution, version=version), NEEDS) == []


@pytest.mark.parametrize(
    ("changes", "needs", "problem"),
    [
        (
            {"distribution": "debian", "version": "11", "name": "Debian 11"},
            {},
            "Debian 11 is not supported; use one of Debian 12",
        ),
        ({"architecture": "riscv64"}, {}, "architecture riscv64 is not supported; use one of x86_64, aarch64"),
        ({"memory": 5 * 10**8}, {}, "500.0 MB of memory, docker_host_min_memory asks for 1.0 GB"),
        ({"disk_free": 10**9}, {}, "1.0 GB of free disk under /var/lib/docker, docker_host_min_disk asks for 10.0 GB"),
        ({"cgroup_controllers": ["cpu"]}, {}, "the kernel lacks the cgroup controllers memory, pids"),
        ({"listeners": {80: "apache2"}}, {}, "port 80 is taken by apache2"),
        ({"listeners": {443: ""}}, {}, "port 443 is taken by an unknown process"),
        ({"snap_docker": True}, {}, "snap remove docker"),
        ({"packages": {"podman-docker": "4.3"}}, {}, "apt-get remove podman-docker"),
        ({"packages": {"docker.io": "20.10"}}, {}, "apt-get remove docker.io"),
        ({"swarm": True}, {}, "excludes live-restore"),
        ({}, {"log_max_size": "0m"}, "'0m' is not a log size"),
        ({}, {"log_max_size": "10 bananas"}, "'10 bananas' is not a log size"),
        ({}, {"prune_older_than": "a week"}, "'a week' is not a duration"),
        ({}, {"firewall_allow": ["http"]}, "'http' is not a port"),
        ({}, {"unknown_users": ["ada"]}, "there is no user 'ada'"),
        ({}, {"upgrades_reboot": "4 am"}, "docker_host_upgrades_reboot: '4 am' is no time of day, such as 04:30"),
        ({}, {"upgrades_reboot": "04:30\n"}, "is no time of day"),
        ({}, {"fail2ban_ignore": ["home\n[x]"]}, "docker_host_fail2ban_ignore: 'home\\n[x]' is no address or network"),
        ({}, {"locked_out": "root has no key"}, "docker_host_ssh_keys_only: root has no key"),
        ({"version": "12"}, {"source": "distribution", "packages": []}, "no Compose v2 among its own packages"),
        ({}, {"prune_schedule": "daily\nUnit=x"}, "docker_host_prune_schedule"),
        ({}, {"apt_source": {"uris": "x\nTrusted: yes"}}, "docker_host_apt_source.uris"),
        ({}, {"apt_settings": {"docker_host_apt_url": "x\nTrusted: yes"}}, "docker_host_apt_url"),
        (
            {},
            {"source": "custom", "apt_source": {"uris": "x"}},
            "docker_host_apt_source: suites, signed_by must be set",
        ),
        ({}, {"source": "custom", "packages": []}, "docker_host_packages: name the engine's packages"),
    ],
)
def test_each_trouble_is_named(changes, needs, problem):
    found = verdict.find_problems(host(**changes), {**NEEDS, **needs})
    assert any(problem in line for line in found), found


@pytest.mark.parametrize("size", ["10m", "10MB", "1.5g", "10 MiB", "5000000", "64kb"])
def test_a_log_s_size_in_each_form_that_the_engine_takes(size):
    assert verdict.find_problems(HOST, {**NEEDS, "log_max_size": size}) == []


def test_all_troubles_at_once():
    found = verdict.find_problems(host(memory=1, snap_docker=True, architecture="mips"), NEEDS)
    assert len(found) == 3


def test_the_engines_own_proxy_may_hold_the_ports():
    assert verdict.find_problems(host(listeners={80: "docker-proxy", 443: "docker-proxy"}), NEEDS) == []


def test_an_installed_engine_is_not_in_its_own_way():
    installed = dict.fromkeys([*verdict.DOCKER_PACKAGES, "docker.io"], "1")
    assert verdict.find_problems(host(packages=installed), NEEDS) == []


@pytest.mark.parametrize(
    ("packages", "version", "missing"),
    [
        ({}, "", ["docker-ce", "docker-buildx-plugin"]),
        ({"docker-ce": "5:28.0.1", "docker-buildx-plugin": "0.23"}, "", []),
        ({"docker-ce": "5:28.0.1", "docker-buildx-plugin": "0.23"}, "28.0", []),
        ({"docker-ce": "5:28.0.1", "docker-buildx-plugin": "0.23"}, "28.1", ["docker-ce"]),
    ],
)
def test_missing_packages(packages, version, missing):
    assert verdict.missing_packages(host(packages=packages), ["docker-ce", "docker-buildx-plugin"], version) == missing


def test_a_distributions_version_has_no_epoch():
    assert verdict.missing_packages(host(packages={"docker.io": "26.1.5+dfsg1"}), ["docker.io"], "26.1") == []


def test_engine_config_leaves_ethernets_mtu_alone():
    config = verdict.engine_config(HOST, SETTINGS)
    assert config["mtu"] is None
    assert config["default-network-opts"] is None
    assert config["log-opts"] == {"max-size": "10m", "max-file": "3"}


def test_engine_config_hands_on_a_lower_mtu():
    config = verdict.engine_config(host(uplink={"device": "wg0", "mtu": 1420}), SETTINGS)
    assert config["mtu"] == 1420
    assert config["default-network-opts"] == {"bridge": {"com.docker.network.driver.mtu": "1420"}}


def test_a_users_key_wins():
    assert verdict.engine_config(HOST, {**SETTINGS, "daemon": {"log-driver": "local"}})["log-driver"] == "local"


def test_options_of_a_log_driver_that_another_does_not_know():
    settings = {**SETTINGS, "daemon": {"log-driver": "syslog", "log-opts": {"syslog-address": "udp://192.0.2.1"}}}
    options = verdict.engine_config(HOST, settings)["log-opts"]
    assert options == {"max-size": None, "max-file": None, "syslog-address": "udp://192.0.2.1"}
    kept = verdict.engine_config(HOST, {**SETTINGS, "daemon": {"log-opts": {"tag": "x"}}})["log-opts"]
    assert kept["max-size"] == SETTINGS["log_max_size"]
    assert kept["tag"] == "x"


FORMS = [
    {},
    {"live_restore": False},
    {"mtu": 1400},
    {"address_pools": [{"base": "10.200.0.0/16", "size": 24}]},
    {"registry_mirrors": ["https://mirror.example.com"], "insecure_registries": ["registry.internal:5000"]},
    {
        "daemon": {
            "proxies": {"http-proxy": "http://proxy:3128", "https-proxy": "http://proxy:3128", "no-proxy": "*.lan"}
        }
    },
    {"daemon": {"metrics-addr": "127.0.0.1:9323", "debug": True, "shutdown-timeout": 30}},
    {"daemon": {"log-opts": {"compress": "true"}}},
    *({"daemon": {"log-driver": driver}} for driver in ("local", "journald", "none")),
    {"daemon": {"log-driver": "syslog", "log-opts": {"syslog-address": "udp://127.0.0.1:514"}}},
    {"daemon": {"log-driver": "gelf", "log-opts": {"gelf-address": "udp://127.0.0.1:12201"}}},
    {"daemon": {"log-driver": "fluentd", "log-opts": {"fluentd-address": "127.0.0.1:24224"}}},
]


@pytest.mark.skipif(not shutil.which("dockerd"), reason="there is no engine on this machine")
@pytest.mark.parametrize("settings", FORMS, ids=str)
def test_the_engine_takes_each_form_of_its_configuration(settings, tmp_path):
    wanted = verdict.engine_config(HOST, {**SETTINGS, **settings})
    (tmp_path / "daemon.json").write_text(json.dumps(daemon_config.lay_over({}, wanted)))
    done = subprocess.run(
        ["dockerd", "--validate", f"--config-file={tmp_path}/daemon.json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "configuration OK" in done.stderr + done.stdout
