# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A reading as a person reads it at a glance, and as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .asked import ReadService
from .findings import Finding
from .reading import Reading
from .variables import Variables

_TITLES = {"refused": "Not possible as it is", "decide": "To be decided", "note": "Read so"}
_WIDEST = 60


def as_data(reading: Reading, variables: Variables) -> dict[str, Any]:
    """Everything but values of secrets, for JSON."""
    return {
        "services": [_service(s, reading) for s in reading.services],
        "routes": [dict(r) for r in reading.routes],
        "findings": [{"level": f.level, "key": f.key, "text": f.text, "line": f.line} for f in reading.findings.all],
        "dropped": {name: list(keys) for name, keys in reading.findings.dropped.items()},
        "variables": variables.table,
        "secrets": {
            "given": [n for n in reading.secret_names if n not in (*reading.needed, *reading.asked)],
            "in_the_files": sorted(reading.clear),
            "composed": dict(reading.composed),
            "to_be_made": list(reading.needed),
            "to_be_asked": list(reading.asked),
        },
        "verdict": verdict(reading.findings.all),
    }


def verdict(findings: Iterable[Finding]) -> str:
    """`refused`, `decide` or `as_is`."""
    levels = {f.level for f in findings}
    return next((level for level in ("refused", "decide") if level in levels), "as_is")


def as_table(reading: Reading, variables: Variables) -> list[str]:
    """Lines: a table of the services, then what is to be known of them."""
    rows = [_row(s, reading) for s in reading.services]
    lines = _columns([("SERVICE", "KIND", "WHY", "IMAGE", "PORT", "ROUTE", "VOLUMES", "ORDER"), *rows])
    lines += _dropped(reading.findings.dropped)
    lines += _variables(variables)
    for level, title in _TITLES.items():
        found = [f for f in reading.findings.all if f.level == level]
        if found:
            lines += ["", f"{title}:"]
            lines += [line for f in found for line in _finding(f)]
    return lines


def _service(read: ReadService, reading: Reading) -> dict[str, Any]:
    form = read.form
    return {
        "service": read.name,
        "name": read.key,
        "kind": read.decided.kind,
        "why": read.decided.why,
        "image": _image(form),
        "port": form.get("port"),
        "publish": form.get("publish") or [],
        "routes": [_route(r) for r in reading.routes if r["service"] == read.key],
        "volumes": _volumes(form),
        "files": [f["path"] for f in form.get("files") or []],
        "order": form.get("order") or "",
        "replicas": form.get("replicas", 1),
        "depends_on": form.get("depends_on") or {},
        "dropped": reading.findings.dropped.get(read.name, []),
    }


def _row(read: ReadService, reading: Reading) -> tuple[str, ...]:
    told = _service(read, reading)
    ports = [str(told["port"])] if told["port"] else []
    ports += [f"{p['published']}:{p['port']}/{p.get('protocol', 'tcp')}" for p in told["publish"]]
    replicas = f" x{told['replicas']}" if told["replicas"] > 1 else ""
    return (
        read.name + replicas,
        told["kind"],
        told["why"],
        told["image"],
        " ".join(ports),
        " ".join(told["routes"]),
        ", ".join([*told["volumes"], *(f"{f} (file)" for f in told["files"])]),
        told["order"].replace("_", " "),
    )


def _image(form: Mapping[str, Any]) -> str:
    if form.get("build"):
        return "built here"
    return str(form.get("image") or "")


def _route(route: Mapping[str, Any]) -> str:
    return f"{route.get('host', '')}{route.get('path', '')}"


def _volumes(form: Mapping[str, Any]) -> list[str]:
    """Each with whether the service writes there."""
    return [
        f"{v.get('name') or v['source'] or 'own'}:{v['path']}{' (reads)' if v.get('read_only') else ''}"
        for v in form.get("volumes") or []
    ]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    cut = [[c if len(c) <= _WIDEST else f"{c[: _WIDEST - 1]}…" for c in row] for row in rows]
    widths = [max(len(row[i]) for row in cut) for i in range(len(cut[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cut]


def _dropped(dropped: Mapping[str, Sequence[str]]) -> list[str]:
    """What nothing is left of; what several services share is said once."""
    by_key: dict[str, list[str]] = {}
    for name, keys in dropped.items():
        for key in keys:
            by_key.setdefault(key, []).append(name)
    alone: dict[str, list[str]] = {}
    lines = []
    for key, names in by_key.items():
        if len(names) > 1:
            lines.append(f"Dropped: {key}, of {', '.join(names)}")
        else:
            alone.setdefault(names[0], []).append(key)
    return ["", *lines, *(f"Dropped: of {name}: {', '.join(keys)}" for name, keys in alone.items())] if by_key else []


def _variables(variables: Variables) -> list[str]:
    if not variables.table:
        return []
    rows = [("VARIABLE", "DEFAULT", "", "WHERE")]
    for entry in variables.table:
        state = "secret" if entry["secret"] else ("" if entry["set"] or entry["default"] is not None else "not set")
        rows.append((entry["name"], entry["default"] or "", state, ", ".join(entry["places"])))
    return ["", *_columns(rows)]


def _finding(finding: Finding) -> list[str]:
    lines = [f"  {finding.key}: {finding.text}."]
    if finding.line:
        lines.append(f"      {finding.line}")
    return lines
