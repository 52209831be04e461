# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What takes the place of a Compose key in the stack description."""

from __future__ import annotations

_UNSUPPORTED = (
    "shm_size", "init", "ulimits", "stop_signal", "group_add", "sysctls", "extra_hosts", "dns", "devices", "hostname",
    "working_dir", "tty", "stdin_open", "configs", "security_opt", "privileged", "network_mode",
)  # fmt: skip
# What users bring from Compose files, and what takes its place here.
COMPOSE_KEYS = {
    "environment": "variables are under env, secret ones under secrets",
    "env_file": "write the variables under env, secret ones under secrets",
    "depends_on": "stateful services start first, workers wait for the web services; leave it out",
    "restart": "every service is restarted unless it is stopped; leave it out",
    "ports": "nothing is published; port names the one that the edge asks",
    "expose": "port names the one that the edge asks",
    "healthcheck": "write health: {path: /healthz}, or health: {command: [...]}",
    "deploy": "limits holds memory, cpus and pids",
    "mem_limit": "write limits: {memory: ...}",
    "cpus": "write limits: {cpus: ...}",
    "pids_limit": "write limits: {pids: ...}",
    "container_name": "names are derived from the stack's and the service's; leave it out",
    "networks": "all services of a stack share a network of their own; leave it out",
    "stop_grace_period": "it is called stop_grace here",
    "pull_policy": "it is called pull here",
    "profiles": "leave out the services that are not wanted",
    "labels": "it is not supported; what the labels of a proxy say is written under stack_routes",
    "logging": "logs are kept as json-file, 5 files of 10 MB; leave it out",
    "links": "services reach each other by their names; leave it out",
    **dict.fromkeys(_UNSUPPORTED, "it is not supported yet"),
}
