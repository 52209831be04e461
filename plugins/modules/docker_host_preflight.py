#!/usr/bin/python
# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: docker_host_preflight
short_description: Tell whether a server can become a Docker host
version_added: 0.1.0
description:
  - Reads what a server is and holds in one call, and names everything that stands in the way in one message.
  - Changes nothing.
author:
  - The sluice.deploy maintainers (@sluice)
extends_documentation_fragment:
  - sluice.deploy.reading
options:
  source:
    description: Where the engine's packages come from.
    type: str
    choices: [docker, distribution, custom]
    required: true
  packages:
    description: The engine's packages, where the source's usual ones are not meant.
    type: list
    elements: str
    default: []
  extra_packages:
    description: Further packages that are wanted.
    type: list
    elements: str
    default: []
  version:
    description: What the engine's version begins with; any when empty.
    type: str
    default: ""
  units:
    description: systemd units whose state is wanted.
    type: list
    elements: str
    default: []
  files:
    description: Files whose text is wanted.
    type: list
    elements: path
    default: []
  firewall:
    description: >-
      What M(sluice.deploy.host_firewall) is to be asked for, to tell whether it would change anything; not looked at
      when it is not given.
    type: dict
    suboptions:
      allow:
        description: As O(sluice.deploy.host_firewall#module:allow).
        type: list
        elements: raw
        default: []
      published:
        description: As O(sluice.deploy.host_firewall#module:published).
        type: list
        elements: dict
        default: []
      ssh_ports:
        description: As O(sluice.deploy.host_firewall#module:ssh_ports).
        type: list
        elements: int
        default: []
      trusted_interfaces:
        description: As O(sluice.deploy.host_firewall#module:trusted_interfaces).
        type: list
        elements: str
        default: []
      path:
        description: As O(sluice.deploy.host_firewall#module:path).
        type: path
        default: /etc/sluice/firewall.nft
      state:
        description: As O(sluice.deploy.host_firewall#module:state).
        type: str
        choices: [present, absent]
        default: present
  min_memory:
    description: Least memory, such as V(1GB).
    type: str
    default: "0"
  min_disk:
    description: Least free space where images go, such as V(10GB).
    type: str
    default: "0"
  free_ports:
    description: TCP ports that must be free, or held by the engine itself.
    type: list
    elements: int
    default: []
  apt_source:
    description: The source to check, where O(source=custom).
    type: dict
    default: {}
  firewall_allow:
    description: Openings to check the form of, as M(sluice.deploy.host_firewall) takes them.
    type: list
    elements: raw
    default: []
  users:
    description: Users that must exist.
    type: list
    elements: str
    default: []
  prune_older_than:
    description: Age to check the form of.
    type: str
    default: 168h
  prune_schedule:
    description: Schedule to check the form of.
    type: str
    default: daily
  apt_settings:
    description: Addresses of the engine's own repository to check the form of, by the settings that hold them.
    type: dict
    default: {}
  upgrades_reboot:
    description: The time of day at which the host may restart for an upgrade; never when empty.
    type: str
    default: ""
  fail2ban_ignore:
    description: Addresses and networks that fail2ban is never to keep out.
    type: list
    elements: str
    default: []
  ssh_keys_only:
    description: Whether sshd is to take no passwords; then whoever logged in must have a key on the server.
    type: bool
    default: false
  controller_time:
    description: Seconds since the epoch by the controller's clock, to which the host's is compared; V(0) for none.
    type: float
    default: 0
  config:
    description: Settings of the engine, from which RV(config) is made.
    type: dict
    required: true
    suboptions:
      log_max_size:
        description: Size at which a container's log is rotated.
        type: str
        default: 10m
      log_max_file:
        description: Log files kept for each container.
        type: int
        default: 3
      live_restore:
        description: Whether containers outlive a restart of the engine.
        type: bool
        default: true
      address_pools:
        description: Pools of which networks are made.
        type: list
        elements: dict
        default: []
      mtu:
        description: MTU of container networks; V(0) takes the uplink's.
        type: int
        default: 0
      registry_mirrors:
        description: Mirrors of Docker Hub.
        type: list
        elements: str
        default: []
      insecure_registries:
        description: Registries that may do without TLS.
        type: list
        elements: str
        default: []
      daemon:
        description: Further keys of daemon.json.
        type: dict
        default: {}
"""

EXAMPLES = r"""
- name: The server can become a Docker host
  sluice.deploy.docker_host_preflight:
    source: docker
    min_memory: 1GB
    min_disk: 10GB
    free_ports: [80, 443]
    config:
      log_max_size: 10m
"""

RETURN = r"""
host:
  description: What the server is.
  returned: success
  type: dict
  sample:
    distribution: debian
    version: "13"
    codename: trixie
    name: Debian GNU/Linux 13 (trixie)
    architecture: x86_64
    memory: 4294967296
    disk_free: 40000000000
    cgroup_controllers: [cpu, memory, pids]
    uplink: {device: eth0, mtu: 1500}
    address: 192.0.2.10
    clock_ahead: 0.4
    listeners: {"22": sshd}
    ssh_ports: [22]
    packages: {docker-ce: "5:28.0.1-1"}
    held_packages: []
    snap_docker: false
    swarm: false
    engine: {version: "28.0.1", state: inactive, error: "", node: "", address: "", nodes: [], networks: {}}
    registry_logins: false
    notices: false
    files: {/etc/apt/sources.list.d/sluice-docker.sources: ""}
    units: {docker.service: {active: active, enabled: enabled}}
packages:
  description: The engine's packages under their names in the source.
  returned: success
  type: list
  elements: str
missing_packages:
  description: Packages that are absent or of another version than asked for.
  returned: success
  type: list
  elements: str
engine_packages:
  description: Those of RV(packages) that a version is meant for.
  returned: success
  type: list
  elements: str
config:
  description: Keys for daemon.json; null for one that is to be absent. Passwords within addresses are masked.
  returned: success
  type: dict
config_stands:
  description: C(daemon.json) has the keys of RV(config) already.
  returned: success
  type: bool
firewall_stands:
  description: M(sluice.deploy.host_firewall) would find nothing to do.
  returned: success
  type: bool
deb_architecture:
  description: The architecture as Debian names it.
  returned: success
  type: str
"""

import json
import pwd
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.dockerhost import access, daemon_config, ruleset, verdict
from ..module_utils.dockerhost.facts import (
    parse_os_release,
    read_host,
    read_text,
)
from ..module_utils.errors import UserError
from ..module_utils.sizes import parse_size

CONFIG_SPEC = {
    "log_max_size": {"type": "str", "default": "10m"},
    "log_max_file": {"type": "int", "default": 3},
    "live_restore": {"type": "bool", "default": True},
    "address_pools": {"type": "list", "elements": "dict", "default": []},
    "mtu": {"type": "int", "default": 0},
    "registry_mirrors": {"type": "list", "elements": "str", "default": []},
    "insecure_registries": {"type": "list", "elements": "str", "default": []},
    "daemon": {"type": "dict", "default": {}},
}


def needs_of(params: dict, packages: list[str]) -> verdict.Needs:
    return verdict.Needs(
        source=params["source"],
        packages=packages,
        min_memory=parse_size(params["min_memory"], "docker_host_min_memory"),
        min_disk=parse_size(params["min_disk"], "docker_host_min_disk"),
        free_ports=params["free_ports"],
        live_restore=params["config"]["live_restore"],
        log_max_size=params["config"]["log_max_size"],
        prune_older_than=params["prune_older_than"],
        prune_schedule=params["prune_schedule"],
        apt_settings={name: str(value) for name, value in params["apt_settings"].items()},
        apt_source=params["apt_source"],
        firewall_allow=params["firewall_allow"],
        unknown_users=[name for name in params["users"] if name not in {entry.pw_name for entry in pwd.getpwall()}],
        upgrades_reboot=params["upgrades_reboot"],
        fail2ban_ignore=params["fail2ban_ignore"],
        locked_out=access.why_keys_alone_lock_out(access.who_logged_in()) if params["ssh_keys_only"] else "",
    )


def firewall_stands(settings: dict[str, Any] | None) -> bool:
    """What is wrong with the settings is told by who applies them."""
    try:
        return settings is not None and ruleset.stands(settings)
    except UserError:
        return False


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "str", "choices": ["docker", "distribution", "custom"], "required": True},
            "packages": {"type": "list", "elements": "str", "default": []},
            "extra_packages": {"type": "list", "elements": "str", "default": []},
            "version": {"type": "str", "default": ""},
            "units": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "list", "elements": "path", "default": []},
            "firewall": {"type": "dict", "options": ruleset.ARGUMENT_SPEC},
            "min_memory": {"type": "str", "default": "0"},
            "min_disk": {"type": "str", "default": "0"},
            "free_ports": {"type": "list", "elements": "int", "default": []},
            "apt_source": {"type": "dict", "default": {}},
            "firewall_allow": {"type": "list", "elements": "raw", "default": []},
            "users": {"type": "list", "elements": "str", "default": []},
            "prune_older_than": {"type": "str", "default": "168h"},
            "prune_schedule": {"type": "str", "default": "daily"},
            "apt_settings": {"type": "dict", "default": {}},
            "upgrades_reboot": {"type": "str", "default": ""},
            "fail2ban_ignore": {"type": "list", "elements": "str", "default": []},
            "ssh_keys_only": {"type": "bool", "default": False},
            "controller_time": {"type": "float", "default": 0},
            "config": {"type": "dict", "required": True, "options": CONFIG_SPEC},
        },
        supports_check_mode=True,
    )
    params = module.params
    # An address may hold one; who applies a proxy's has it from the user.
    module.no_log_values.update(daemon_config.passwords(json.dumps(params)))
    release = parse_os_release(read_text("/etc/os-release"))
    packages = params["packages"] or verdict.packages_for(
        params["source"], release.get("ID", ""), release.get("VERSION_ID", "")
    )
    wanted = packages + params["extra_packages"]
    host = read_host([*wanted, *verdict.ENGINES], params["units"], params["files"], params["controller_time"])
    # An earlier version wrote an apt address as it was given.
    module.no_log_values.update(daemon_config.passwords(json.dumps(host["files"])))
    try:
        problems = verdict.find_problems(host, needs_of(params, packages))
    except UserError as error:
        problems = [str(error)]
    if problems:
        module.fail_json(
            msg="This server cannot become a Docker host yet: " + "; ".join(problems), problems=problems, host=host
        )
    config = verdict.engine_config(host, params["config"])
    module.exit_json(
        changed=False,
        host=host,
        packages=packages,
        engine_packages=[name for name in packages if verdict.is_engine(name)],
        missing_packages=verdict.missing_packages(host, wanted, params["version"]),
        config=config,
        config_stands=daemon_config.stands(Path(daemon_config.PATH), config),
        firewall_stands=firewall_stands(params["firewall"]),
        deb_architecture=verdict.ARCHITECTURES[host["architecture"]],
    )


if __name__ == "__main__":
    main()
