# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a whole project has to be decided, beyond what one service says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from ..errors import UserError, nearest
from ..stack.compose_keys import COMPOSE_KEYS
from ..stack.fields import Fields
from ..stack.parse_service import SERVICE_KEYS
from .findings import Findings, correction
from .kinds import KINDS, Decided
from .profiles import LeftOut

_ALLOWED = ("docker_socket", "privileged")
_MOUNTS = ("data", "file", "server", "none")
CORRECTIONS = ("kind", "allow", "mounts")
"""What is corrected beyond the keys of the description."""
_KEYS = (*CORRECTIONS, *SERVICE_KEYS)


def readable_corrections(corrections: Mapping[str, Any], findings: Findings) -> dict[str, Mapping[str, Any]]:
    """What the settings correct, without what is no correction, which is refused."""
    read: dict[str, Mapping[str, Any]] = {}
    mistakes: list[str] = []
    for name, told in corrections.items():
        where = f"stack_compose_services.{name}"
        if not isinstance(told, Mapping):
            findings.refuse(where, "expected a mapping such as {order: overlap}")
            continue
        read[name] = _correction(Fields(told, where, _KEYS, mistakes, COMPOSE_KEYS))
    for mistake in mistakes:
        where, _, text = mistake.partition(": ")
        findings.refuse(where, text.rstrip("."))
    return read


def check_names(services: Mapping[str, Any], corrections: Iterable[str], left_out: LeftOut, findings: Findings) -> None:
    """What the settings correct is there, or would be with another profile."""
    for name in corrections:
        where = f"stack_compose_services.{name}"
        if why := left_out.why(name):
            findings.note(where, why, f"{left_out.line(name)} in stack_compose")
        elif name not in services:
            findings.refuse(where, f"the project has no such service{nearest(name, services)}")


def _correction(fields: Fields) -> dict[str, Any]:
    get, nothing = fields.attempt, cast(Any, None)
    found = {key: fields.raw(key) for key in _KEYS if key in fields}
    found["kind"] = get(lambda: fields.choice("kind", "", ("", *KINDS, "none")), nothing)
    found["port"] = get(lambda: fields.integer("port", None, 1, 65535), nothing)
    found["order"] = get(lambda: fields.choice("order", "", ("", "overlap", "stop_first")), nothing)
    found["allow"] = get(lambda: _words(fields, "allow", _ALLOWED), nothing)
    found["mounts"] = get(lambda: _mounts(fields), nothing)
    return {key: value for key, value in found.items() if key in fields and value is not None}


def _words(fields: Fields, key: str, known: tuple[str, ...]) -> tuple[str, ...]:
    words = fields.texts(key)
    for word in words:
        if word not in known:
            raise UserError(f"{fields.path(key)}: {word!r} is none of {', '.join(known)}{nearest(word, known)}.")
    return words


def _mounts(fields: Fields) -> dict[str, Any]:
    mounts = fields.mapping("mounts")
    told = Fields(mounts, fields.path("mounts"), tuple(mounts))
    return {str(path): told.choice(path, "", _MOUNTS) for path in mounts}


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
