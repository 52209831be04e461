# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report for programs: JSON, and JUnit XML as continuous integration reads it."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

from ...module_utils.results import GateResult
from .model import VerificationReport, shown

# Counts up when a key goes or changes its meaning; docs/verify.md tells each.
SCHEMA = 1
# What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_data(report: VerificationReport) -> dict[str, Any]:
    """The report as plain data."""
    changes = report.changes
    return {
        "schema": SCHEMA,
        "title": report.title,
        "url": report.url,
        "host": report.host,
        "at": report.at,
        "seconds": report.seconds,
        "status": report.status,
        "verdict": report.verdict,
        "counts": report.counts,
        "waived": list(report.waived),
        "changes": {"since": changes.since, "worse": list(changes.worse), "better": list(changes.better)}
        if changes
        else None,
        "results": [_unpictured(result) for result in report.results],
    }


def _unpictured(result: GateResult) -> dict[str, Any]:
    """Pictures are for people, and stand in the page."""
    details = {key: value for key, value in (result.get("details") or {}).items() if key != "picture"}
    return {
        **{key: value for key, value in result.items() if key != "details"},
        **({"details": details} if details else {}),
    }


def as_json(report: VerificationReport) -> str:
    return json.dumps(as_data(report), indent=2, ensure_ascii=False, default=str) + "\n"


def as_junit(report: VerificationReport) -> str:
    """One suite a heading; a warning is a passed case that says so in its output."""
    root = ElementTree.Element("testsuites", {"name": _xml(report.title), **_totals(list(report.results))})
    if report.seconds is not None:
        root.set("time", f"{report.seconds:.3f}")
    for title, results in report.groups:
        attributes = {"name": title, "timestamp": report.at, **_totals(results)}
        suite = ElementTree.SubElement(root, "testsuite", attributes)
        if report.host:
            suite.set("hostname", _xml(report.host))
        for result in results:
            _case(suite, result, title)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _totals(results: list[GateResult]) -> dict[str, str]:
    statuses = [result["status"] for result in results]
    return {
        "tests": str(len(statuses)),
        "failures": str(statuses.count("fail")),
        "errors": "0",
        "skipped": str(statuses.count("skip")),
    }


def _case(suite: ElementTree.Element, result: GateResult, group: str) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname=group, name=_xml(f"{result['id']}: {result['title']}"))
    told = "\n".join([*result["evidence"], *(f"→ {advice}" for advice in result["advice"])])
    if result["status"] == "fail":
        message = f"{shown(result['measured'])}, limit {shown(result['limit'])}"
        ElementTree.SubElement(case, "failure", message=_xml(message)).text = _xml(told)
    elif result["status"] == "skip":
        ElementTree.SubElement(case, "skipped", message=_xml(result["evidence"][0]))
    elif result["status"] == "warn":
        ElementTree.SubElement(case, "system-out").text = _xml(f"warning: {shown(result['measured'])}\n{told}")


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
