# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the gate is asked, and what it answers, as plain data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..results import GateResult, worst_status
from ..secretvalues.terminal import fit_for_terminal
from .gate import run
from .judge import CHECKS, DEFAULT_FAIL_ON

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "images": {"type": "list", "elements": "raw"},
    "project": {"type": "str"},
    "archive": {"type": "path"},
    "source": {"type": "str", "choices": ["engine", "registry"], "default": "engine"},
    "platform": {"type": "str", "default": ""},
    "basis": {"type": "str", "choices": ["unpacked", "compressed"], "default": "unpacked"},
    "max_size": {"type": "str"},
    "max_growth": {"type": "str"},
    "reference": {"type": "str"},
    "reference_project": {"type": "str"},
    "max_layers": {"type": "int"},
    "max_wasted": {"type": "str"},
    "analysis": {"type": "str", "choices": ["always", "on_fail", "never"], "default": "always"},
    "fail_on": {"type": "list", "elements": "str", "choices": list(CHECKS), "default": list(DEFAULT_FAIL_ON)},
    "top": {"type": "int", "default": 10},
    "docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"},
    "tls": {"type": "bool", "default": False},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "validate_certs": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 60},
    "registry_host": {"type": "str"},
    "registry_username": {"type": "str"},
    "registry_password": {"type": "str", "no_log": True},
    "registry_plain_http": {"type": "bool", "default": False},
}


def answer(options: Mapping[str, Any]) -> dict[str, Any]:
    """The results and their worst status; `failed` and `msg` when a check fails that is to, or none could be made."""
    try:
        outcome = run(with_certificates(dict(options)))
    except UserError as error:
        return {"failed": True, "msg": fit_for_terminal(str(error))}
    status = worst_status(outcome.results)
    facts = {"changed": False, "status": status, "results": outcome.results, "images": outcome.images}
    if status == "fail":
        return {"failed": True, "msg": fit_for_terminal(_summary(outcome.results)), **facts}
    return facts


def with_certificates(options: dict[str, Any]) -> dict[str, Any]:
    """The options, with the certificates where the docker command looks for them."""
    directory = os.environ.get("DOCKER_CERT_PATH")
    if not (directory and options["tls"]):
        return options
    found = {"ca_path": "ca.pem", "client_cert": "cert.pem", "client_key": "key.pem"}
    return {**options, **{key: options[key] or str(Path(directory) / name) for key, name in found.items()}}


def _summary(results: list[GateResult]) -> str:
    """The failed checks in a sentence each, with the advice that helps most."""
    lines = []
    for result in results:
        if result["status"] == "fail":
            advice = f"; {result['advice'][0]}" if result["advice"] else ""
            lines.append(f"{result['id']}: {result['measured']}, limit {result['limit']}{advice}")
    return "\n".join(lines)
