# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the server has room for a release, before anything is fetched or started."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from ..results import GateResult, gate_result
from ..sizes import format_size
from .run import Run

_MEMORY = Path("/proc/meminfo")


def free_bytes(run: Run) -> dict[str, int]:
    """The room in each place that a release fills."""
    return {
        "the engine keeps its data": run.engine.free_bytes(),
        # Dumps, secrets and records; often the same file system, and sometimes not.
        f"{run.state.directory} lies": shutil.disk_usage(run.state.directory).free,
    }


def meminfo() -> str:
    """What the kernel says of its memory."""
    return _MEMORY.read_text(encoding="ascii")


def disk(free: Mapping[str, int], least: int) -> GateResult:
    """Room by place; the fullest decides."""
    scarcest = min(free.values())
    enough = scarcest >= least
    return gate_result(
        "disk",
        f"At least {format_size(least)} are free for images and dumps",
        "pass" if enough else "fail",
        measured=scarcest,
        limit=least,
        evidence=[f"{format_size(room)} free where {place}" for place, room in free.items()],
        advice=[]
        if enough
        else ["Make room, for example with docker image prune, or lower compose_stack_minimum_free."],
    )


def memory(run: Run, told: str) -> GateResult:
    """Both colours run at once for a while; a warning, since limits are seldom reached."""
    needed = sum(s.limits.memory_bytes * s.replicas for s in run.stack.running)
    found = re.search(r"^MemAvailable:\s+(\d+) kB", told, re.MULTILINE)
    if not needed or not found:
        reason = (
            "no service has limits.memory" if not needed else "the kernel does not say how much memory is available"
        )
        return gate_result("memory", "The new release fits beside the old one", "skip", evidence=[reason])
    available = int(found[1]) * 1024
    fits = available >= needed
    stays = [f"both stay for {run.stack.keep_warm:g} s, by stack_keep_warm"] if run.stack.keep_warm else []
    return gate_result(
        "memory",
        "The new release fits beside the old one",
        "pass" if fits else "warn",
        measured=available,
        limit=needed,
        evidence=[f"{format_size(available)} available, {format_size(needed)} in the new services' limits", *stays],
        advice=[] if fits else ["Lower limits.memory, use strategy recreate, or give the server more memory."],
    )
