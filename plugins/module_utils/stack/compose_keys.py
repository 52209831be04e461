# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What takes the place of a Compose key in the stack description."""

from __future__ import annotations

from .parse_runtime import RUNTIME_KEYS

# What users bring from Compose files, and what takes its place here.
COMPOSE_KEYS = {
    "environment": "variables are under env, secret ones under secrets",
    "env_file": "write the variables under env, secret ones under secrets",
    "restart": "every service is restarted unless it is stopped; leave it out",
    "ports": "port names the one that the edge asks, publish those of the server",
    "expose": "port names the one that the edge asks",
    "healthcheck": "write health: {path: /healthz}, or health: {command: [...]}",
    "scale": "it is called replicas here",
    "deploy": "limits holds memory, cpus and pids, replicas how many run",
    "mem_limit": "write limits: {memory: ...}",
    "cpus": "write limits: {cpus: ...}",
    "pids_limit": "write limits: {pids: ...}",
    "container_name": "names are derived; what other services call it goes under aliases",
    "networks": "all services of a stack share one; leave it out, and write further names under aliases",
    "stop_grace_period": "it is called stop_grace here",
    "pull_policy": "it is called pull here",
    "profiles": "leave out the services that are not wanted",
    "links": "services reach each other by their names; leave it out",
    "configs": "write files: [{path: ..., content: ...}]",
    "network_mode": "all services of a stack share a network; leave it out",
    "volumes_from": "name the volumes under volumes",
    **dict.fromkeys(RUNTIME_KEYS, "it goes under runtime, as in Compose"),
}
