# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a whole project has to be decided, beyond what one service says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import nearest
from .findings import Findings, correction
from .kinds import KINDS, Decided

_ALLOWED = ("docker_socket", "privileged")


def check_corrections(
    services: Mapping[str, Any], corrections: Mapping[str, Mapping[str, Any]], findings: Findings
) -> None:
    """What the settings correct is there, and is said in known words."""
    for name, told in corrections.items():
        where = f"stack_compose_services.{name}"
        if name not in services:
            findings.refuse(where, f"the project has no such service{nearest(name, services)}")
        kind = told.get("kind")
        if kind is not None and kind not in (*KINDS, "none"):
            findings.refuse(f"{where}.kind", f"{kind!r} is none of {', '.join((*KINDS, 'none'))}")
        for word in told.get("allow") or []:
            if word not in _ALLOWED:
                findings.refuse(f"{where}.allow", f"{word!r} is none of {', '.join(_ALLOWED)}")


def data_before_release(services: Mapping[str, Any], decided: dict[str, Decided], findings: Findings) -> None:
    """What data waits for comes up with the data; a job that does so keeps no release waiting, and is done before."""
    for name, service in services.items():
        if decided[name].kind != "data":
            continue
        for other in service.get("depends_on") or {}:
            if other in decided and decided[other].kind not in ("data", "edge"):
                findings.decide(
                    f"services.{name}.depends_on.{other}",
                    f"{name} is data, up before a release, and {other} ({decided[other].kind}) is of the release",
                    f"{correction(other, 'kind: data')}, or {correction(name, 'kind: worker')}",
                )


def one_writer(
    services: Mapping[str, Any], decided: Mapping[str, Decided], corrections: Mapping[str, Any], findings: Findings
) -> None:
    """Two databases on one volume are none: one of them is likely what prepares it."""
    writers: dict[str, list[str]] = {}
    for name, service in services.items():
        for mount in service.get("volumes") or []:
            if decided[name].kind == "data" and mount["type"] == "volume" and not mount.get("read_only"):
                writers.setdefault(str(mount.get("source") or ""), []).append(name)
    for source, names in writers.items():
        unsaid = [n for n in names if not (corrections.get(n) or {}).get("kind")]
        if source and len(names) > 1 and unsaid:
            findings.decide(
                f"volumes.{source}",
                f"{', '.join(names)} are read as data and write to one volume: which of them only prepare it",
                "; ".join(correction(n, "kind: job") for n in unsaid),
            )
