# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of Compose reaches the engine as it is written, and the order in which services start."""

from __future__ import annotations

import re
from typing import Any, cast

from ..errors import UserError
from .fields import Fields
from .model import Condition

RUNTIME_KEYS = (
    "annotations", "blkio_config", "cgroup", "cgroup_parent", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota",
    "cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "cpuset", "device_cgroup_rules", "device_requests", "devices",
    "dns", "dns_opt", "dns_search", "domainname", "extra_hosts", "gpus", "group_add", "hostname", "init", "ipc",
    "labels", "logging", "mac_address", "mem_reservation", "mem_swappiness", "memswap_limit", "oom_kill_disable",
    "oom_score_adj", "pid", "platform", "privileged", "runtime", "security_opt", "shm_size", "stdin_open",
    "stop_signal", "storage_opt", "sysctls", "tty", "ulimits", "userns_mode", "uts", "working_dir",
)  # fmt: skip
_CONDITIONS = ("started", "healthy", "completed")
_ALIAS = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?"


def parse_runtime(fields: Fields) -> dict[str, Any]:
    """Compose's own keys; what they hold is for Compose to judge."""
    runtime = Fields(fields.raw("runtime", {}), fields.path("runtime"), RUNTIME_KEYS)
    return {key: runtime.raw(key) for key in RUNTIME_KEYS if key in runtime}


def parse_depends_on(fields: Fields) -> dict[str, Condition]:
    """Which services come first, and what is waited for; a list waits until they are started."""
    value = fields.raw("depends_on", {})
    if isinstance(value, (list, tuple)):
        value = dict.fromkeys(fields.texts("depends_on"), "started")
    if not isinstance(value, dict):
        raise UserError(f"{fields.path('depends_on')}: expected a mapping such as {{db: healthy}}.")
    for name, word in value.items():
        if word not in _CONDITIONS:
            raise UserError(f"{fields.path('depends_on')}.{name}: write one of started, healthy and completed.")
    return cast("dict[str, Condition]", value)


def parse_aliases(fields: Fields) -> tuple[str, ...]:
    """Further names of a service among its siblings."""
    aliases = fields.texts("aliases")
    for alias in aliases:
        if not re.fullmatch(_ALIAS, alias):
            raise UserError(f"{fields.path('aliases')}: {alias!r} is not a name of letters, digits, dots, - and _.")
    return tuple(dict.fromkeys(aliases))
