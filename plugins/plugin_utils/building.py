# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images that the controller's engine builds, or a builder that it knows, judged as a server judges its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..module_utils.errors import EngineError, StepError, UserError
from ..module_utils.lock import locked
from ..module_utils.release import imagechecks
from ..module_utils.release.checks import judge, look
from ..module_utils.release.docker import Docker
from ..module_utils.release.edge import NoEdge
from ..module_utils.release.images import build_tag, built
from ..module_utils.release.module import gate_levels
from ..module_utils.release.run import Run, Settings
from ..module_utils.results import GateResult
from ..module_utils.secretvalues.values import check_secrets
from ..module_utils.stack.directory import StackState
from ..module_utils.stack.parse import parse_stack


def built_here(description: dict[str, Any]) -> list[str]:
    """The names of the services whose images are built on the controller.

    Raises:
        UserError: The description is wrong.
    """
    return [service.name for service in parse_stack(description).services.values() if service.built_on_controller]


def build(
    stack: dict[str, Any], secrets: Mapping[str, str], gates: Mapping[str, str], hadolint: str
) -> tuple[list[str], list[GateResult]]:
    """The references of the images that were built, and what the gates said; logs are kept in the user's cache.

    Args:
        stack: Its description.
        secrets: The values that it names.
        gates: The levels of the gates; of Dockerfiles, and of secrets in what a build says.
        hadolint: The command, where it is installed.

    Raises:
        UserError: The description is wrong, an image does not build, or a gate does not let it pass.
    """
    described = parse_stack(stack)
    known = check_secrets(described.secret_names, dict(secrets))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    state = StackState(str(cache / "sluice" / "stacks"), described.name)
    state.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = Settings(levels=gate_levels(dict(gates)), hadolint=hadolint)
    references = []
    # Hosts of a play take turns; what the first has built, the cache has for the next.
    with locked(state.lock_file, "build", 3600.0, "the build of another host") as descriptor:
        engine = Docker((descriptor,))
        run = Run(described, stack, known, settings, state, engine, NoEdge(None), inherit=(descriptor,))
        for service in described.services.values():
            if service.build and service.built_on_controller:
                log = state.directory / f"{service.name}.log"
                log.unlink(missing_ok=True)
                try:
                    built(run, service, service.build, log)
                    judge(run, look({"log_secrets": _leaks}, run, service.name, log))
                except (StepError, EngineError) as error:
                    raise UserError(_told(run, error, log))
                references.append(build_tag(run, service))
    return references, run.gates


def _leaks(run: Run, service: str, log: Path) -> list[GateResult]:
    text = log.read_text(encoding="utf-8", errors="replace")
    return [imagechecks.leaks(f"log_secrets.build.{service}", run, {f"build of {service}": text})]


def _told(run: Run, error: Exception, log: Path) -> str:
    from ..module_utils.secretscan import without_secrets

    said = without_secrets(run.redact(getattr(error, "log", ""))).strip().splitlines()[-15:]
    lines = [run.redact(str(getattr(error, "cause", error))), *(f"  {line}" for line in said)]
    if log.exists():
        lines.append(f"The whole log: {log}")
    return "\n".join(lines)
