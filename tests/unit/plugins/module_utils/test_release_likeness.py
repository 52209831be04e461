"""What of a running container differs from the one that Compose would make."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.sluice.deploy.plugins.module_utils.release.likeness import differences

PLACES = {"/var/lib/sluice/stacks/old/binds/data": "/srv/old/data"}
WANTED = {
    "Id": "3f" * 32,
    "Image": "sha256:1",
    "Config": {"Hostname": "3f3f3f3f3f3f", "Env": ["A=1", "PASSWORD=s3cret"], "Cmd": ["postgres"], "Tty": False},
    "HostConfig": {"PortBindings": {}, "RestartPolicy": {"Name": "unless-stopped"}, "Memory": 0, "ShmSize": 67108864}
    | {"SecurityOpt": ["no-new-privileges:true"], "LogConfig": {"Type": "json-file"}, "CapAdd": None},
    "Mounts": [
        {"Type": "volume", "Name": "old_data", "Source": "/var/lib/docker/x", "Destination": "/data", "RW": True},
        {"Type": "volume", "Name": "ab" * 32, "Source": "/var/lib/docker/y", "Destination": "/tmp/x", "RW": True},
        {"Type": "bind", "Source": "/var/lib/sluice/stacks/old/binds/data", "Destination": "/files", "RW": False},
    ],
}


def as_it_runs() -> dict[str, Any]:
    running: dict[str, Any] = copy.deepcopy(WANTED)
    running["Id"], running["Config"]["Hostname"] = "7c" * 32, "7c7c7c7c7c7c"
    running["Config"]["Env"].reverse()
    running["HostConfig"] |= {"PortBindings": None, "RestartPolicy": {"Name": "always"}, "SecurityOpt": None}
    running["HostConfig"] |= {"CapAdd": [], "LogConfig": {"Type": "local"}}
    running["Mounts"].reverse()
    running["Mounts"][0]["Source"] = "/srv/old/data"
    running["Mounts"][1]["Name"] = "cd" * 32
    return running


def test_what_is_said_otherwise_and_means_the_same_is_no_difference() -> None:
    assert differences(WANTED, as_it_runs(), PLACES) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: c.update(Image="sha256:2"), ["image"]),
        (lambda c: c["Config"].update(Env=["A=2", "PASSWORD=other", "B=3"]), ["environment (A, B, PASSWORD)"]),
        (lambda c: c["Config"].update(Cmd=["postgres", "-c", "x=1"]), ["command"]),
        (lambda c: c["Config"].update(Hostname="db"), ["hostname"]),
        (lambda c: c["Config"].update(Healthcheck={"Test": ["CMD", "true"]}), ["healthcheck"]),
        (lambda c: c["HostConfig"].update(PortBindings={"5432/tcp": [{"HostIp": "", "HostPort": "5432"}]}), ["ports"]),
        (lambda c: c["Mounts"][2].update(Name="other_data"), ["volumes"]),
        (lambda c: c["Mounts"][0].update(Source="/srv/else"), ["volumes"]),
        (lambda c: c["HostConfig"].update(SecurityOpt=["seccomp=unconfined"]), ["security_opt"]),
        (lambda c: c["HostConfig"].update(ShmSize=268435456), ["ShmSize"]),
    ],
)
def test_each_difference_is_named_by_its_key_and_no_value_is_told(
    change: Callable[[dict[str, Any]], None], told: list[str]
) -> None:
    running = as_it_runs()
    change(running)
    assert differences(WANTED, running, PLACES) == told
