# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a Dockerfile says about the image before it is built."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..results import GateResult, gate_result
from ..secretvalues.names import secret_name

_ROOT = ("", "root", "0")

DOCKERIGNORE = """\
# Kept out of the build's context: history, secrets, and what the build makes by itself.
.git
.env
.env.*
*.pem
*.key
node_modules
dist
"""


@dataclass(frozen=True)
class Instruction:
    line: int
    word: str
    rest: str


def parse(text: str) -> list[Instruction]:
    """Instructions with continued lines joined; comments and here-documents left out."""
    found: list[Instruction] = []
    pending, start, heredoc = "", 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if heredoc:
            heredoc = "" if line.strip() == heredoc else heredoc
            continue
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        start = start if pending else number
        pending += stripped.removesuffix("\\") + " "
        if stripped.endswith("\\"):
            continue
        word, _, rest = pending.strip().partition(" ")
        found.append(Instruction(start, word.upper(), rest.strip()))
        opened = re.search(r"<<-?[\"']?([A-Za-z_]\w*)", rest)
        heredoc, pending = (opened[1] if opened else ""), ""
    return found


def own_rules(text: str, target: str, dockerignore: bool) -> list[str]:
    """Findings, a line each; empty for a Dockerfile that has none."""
    instructions = parse(text)
    findings = []
    stages = _stages(instructions)
    if len(stages) < 2:
        findings.append(
            "one stage only: build tools and sources end up in the image; copy the result into a second FROM"
        )
    if not dockerignore:
        findings.append("no .dockerignore: .git, .env and node_modules go into the build; set write_dockerignore: true")
    for instruction in instructions:
        findings += _secret_in(instruction)
    if _last_user(stages, target) in _ROOT:
        findings.append("the image runs as root: end the final stage with USER and a number")
    return findings


def check(path: Path, target: str, service: str, hadolint: str) -> GateResult:
    """The gate on one Dockerfile."""
    context_ignore = path.parent / ".dockerignore"
    own = own_rules(path.read_text(encoding="utf-8"), target, context_ignore.exists())
    linted, said = _hadolint(path, hadolint)
    return gate_result(
        f"dockerfile.{service}",
        f"The Dockerfile of {service} is sound",
        "fail" if own or linted else "pass",
        measured=len(own) + len(linted),
        limit=0,
        evidence=[f"{path.name}: {finding}" for finding in own + linted] + said,
        advice=["Mend what is listed, or set compose_stack_gates.dockerfile to warn."] if own or linted else [],
    )


def _stages(instructions: Sequence[Instruction]) -> list[tuple[str, str, list[Instruction]]]:
    """Name, parent and instructions of each stage."""
    stages: list[tuple[str, str, list[Instruction]]] = []
    for instruction in instructions:
        if instruction.word == "FROM":
            words = [w for w in instruction.rest.split() if not w.startswith("--")]
            name = words[2] if len(words) > 2 and words[1].upper() == "AS" else ""
            stages.append((name, words[0] if words else "", []))
        elif stages:
            stages[-1][2].append(instruction)
    return stages


def _last_user(stages: list[tuple[str, str, list[Instruction]]], target: str) -> str:
    """The user of the target stage, inherited through the stages it builds on."""
    chosen = next((s for s in stages if target and s[0] == target), stages[-1] if stages else None)
    for _ in stages:
        if chosen is None:
            break
        users = [i.rest.partition(":")[0].strip() for i in chosen[2] if i.word == "USER"]
        if users:
            return users[-1]
        parent = chosen[1]
        chosen = next((s for s in stages if s[0] == parent), None)
    return ""


def _secret_in(instruction: Instruction) -> list[str]:
    if instruction.word not in ("ARG", "ENV"):
        return []
    # ENV also knows the old form without an equals sign.
    names = re.findall(r"([A-Za-z_]\w*)=", instruction.rest) or instruction.rest.split()[:1]
    return [
        f"line {instruction.line}: {instruction.word} {name} puts a secret into the image's history; "
        "use RUN --mount=type=secret"
        for name in names
        if secret_name(name)
    ]


def _hadolint(path: Path, command: str) -> tuple[list[str], list[str]]:
    """Its findings of level error and warning, and a word on whether it ran."""
    try:
        done = subprocess.run(
            [command, "--format", "json", "--no-fail", str(path)],
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            timeout=60,
        )
        found = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return [], ["hadolint is not installed here: its rules were not checked, the collection's own were"]
    grave = [f for f in found if f["level"] in ("error", "warning")]
    return [f"line {f['line']}: {f['code']} {f['message']}" for f in grave], []
