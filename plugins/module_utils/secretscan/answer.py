# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a scan is asked, and what it answers, as plain data without a secret's bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UserError
from .known import SHORTEST
from .options import Options
from .report import ScanReport, gate
from .run import run

_STRINGS = {"type": "list", "elements": "str", "default": []}
_PATHS = {"type": "list", "elements": "path", "default": []}
_DICTS = {"type": "list", "elements": "dict", "default": []}
_TEXTS: dict[str, Any] = {"type": "dict", "default": {}, "no_log": True}
_EXCUSE = {key: {"type": "str", "required": True} for key in ("fingerprint", "reason", "expires")}

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "project": {"type": "str"},
    "containers": _STRINGS,
    "labels": _STRINGS,
    "journal_units": _STRINGS,
    "images": _STRINGS,
    "paths": _PATHS,
    "texts": _TEXTS,
    "secrets": _TEXTS,
    "secret_files": {**_PATHS, "no_log": False},
    "since": {"type": "str"},
    "until": {"type": "str"},
    "state_file": {"type": "path"},
    "fingerprint_key": {"type": "str", "no_log": True},
    "ignore": {**_DICTS, "options": _EXCUSE},
    "rules": _DICTS,
    "disable_rules": _STRINGS,
    "keywords": {"type": "str", "choices": ["off", "report", "warn", "fail"], "default": "report"},
    "fail_on": {"type": "str", "choices": ["low", "medium", "high", "never"], "default": "medium"},
    "enforce": {"type": "bool", "default": True},
    "max_findings": {"type": "int", "default": 200},
    "engine": {"type": "str", "choices": ["auto", "libhs", "python"], "default": "auto"},
    "threads": {"type": "int", "default": 0},
    "docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"},
    "gate_id": {"type": "str", "default": "log_secrets"},
}
_NOT_FOR_THE_SCAN = ("fail_on", "enforce", "max_findings", "gate_id")


def answer(params: Mapping[str, Any], write: bool) -> dict[str, Any]:
    """Findings and the gate's result; `failed` and `msg` when they are to fail, or nothing could be scanned.

    Args:
        params: What `ARGUMENT_SPEC` describes.
        write: Whether the state file is brought up to date.
    """
    try:
        report = run(_options(params, write))
    except UserError as error:
        return {"failed": True, "msg": str(error)}
    except Exception as error:  # its text and its traceback could hold a piece of a log
        msg = f"log_secret_scan: unexpected {type(error).__name__}; this is a defect, please report it"
        return {"failed": True, "msg": msg}
    result = _result(report, params)
    if result["gate"]["status"] == "fail" and params["enforce"]:
        return {"failed": True, "msg": _message(report, params), **result}
    return result


def hidden(params: Mapping[str, Any]) -> set[str]:
    """The values that no output may show.

    Masking every occurrence of a short value, as Ansible would, makes the result unreadable and shows nothing.
    """
    given = [*_texts(params, "texts").values(), *_texts(params, "secrets").values(), params.get("fingerprint_key")]
    return {value for value in given if value and len(value) >= SHORTEST}


def _options(params: Mapping[str, Any], write: bool) -> Options:
    settings = {key: value for key, value in params.items() if key not in _NOT_FOR_THE_SCAN and value is not None}
    return Options(**{**settings, **{key: _texts(params, key) for key in ("texts", "secrets")}}, write=write)


def _texts(params: Mapping[str, Any], key: str) -> dict[str, str]:
    given = params.get(key)
    return {str(name): _text(value) for name, value in given.items()} if isinstance(given, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _result(report: ScanReport, params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "changed": False,
        "gate": gate(report, params["gate_id"], params["fail_on"], params["keywords"]),
        "findings": [finding.public() for finding in report.findings[: params["max_findings"]]],
        "findings_total": len(report.findings),
        "ignored": report.ignored,
        "uncounted": report.uncounted,
        "keyword_lines": report.keyword_lines,
        "keywords": report.keywords,
        "scanned": report.scanned,
        "notes": report.notes,
        "too_short": report.too_short,
        "bytes_scanned": report.bytes_scanned,
        "seconds": report.seconds,
        "engine": report.engine,
    }


def _message(report: ScanReport, params: Mapping[str, Any]) -> str:
    if not report.findings:
        return f"{report.keyword_lines} log lines hold a keyword, and keywords is {params['keywords']}"
    worst = report.findings[0]
    return (
        f"{len(report.findings)} secrets in the logs; the gravest: {worst.title} in {worst.source}. Each is listed"
        " under findings, without its bytes"
    )
