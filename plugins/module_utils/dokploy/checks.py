# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A deployment held against its acceptance criteria, as far as the API lets one look, changing nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..results import GateResult, gate_result
from .client import Client
from .containers import HealthWatch, health_gate
from .deployment import WHOLE_LOG, newest, watch_containers
from .images import judge_images, running_images
from .logscan import known_secrets, scan_logs
from .services import read_service

_LOGS_ADVICE = (
    "rotate what leaked, then have the service log less",
    "the log goes with its container, at the next deployment",
)


def check_deployment(
    client: Client,
    compose_id: str,
    secrets: Mapping[str, str],
    services: Iterable[str],
    *,
    timeout: float,
    limits: Mapping[str, str],
    most: str,
) -> tuple[str, list[GateResult]]:
    """Look at containers, at their images, at the last deployment's log and at what the containers have logged since.

    Args:
        client: Is told the secrets, so that nothing shows them.
        compose_id: The service.
        secrets: Its secret values by name; those that its environment calls so are added.
        services: Services that must have a container.
        timeout: Seconds that containers may take to be healthy.
        limits: Sizes that images may have, by service; an empty one is none.
        most: The same, of services that `limits` does not name.

    Returns:
        The Compose project's name, and a result for each check.
    """
    stored = read_service(client, compose_id)
    known = known_secrets(stored.get("env"), secrets)
    client.redact.add(known.values())
    verdict, rows = watch_containers(client, stored, HealthWatch(services), timeout=timeout)
    results = [health_gate(verdict, len(rows)), _build_log(client, stored, known)]
    logs = {
        f"of {row['name']}": str(
            client.get("compose.readLogs", composeId=compose_id, containerId=row["containerId"], tail=WHOLE_LOG) or ""
        )
        for row in rows
    }
    results.append(
        scan_logs(logs, known, id="dokploy.container_logs", title="The containers' logs hold no secret",
                  advice=_LOGS_ADVICE)[0]
    )  # fmt: skip
    images, untold = running_images(client, stored, rows)
    return str(stored.get("appName")), results + judge_images(images, limits, most, known, untold=untold)


def _build_log(client: Client, stored: Mapping[str, Any], secrets: Mapping[str, str]) -> GateResult:
    last = newest(stored.get("deployments") or [])
    if last is None:
        return gate_result("dokploy.build_log", "The build log holds no secret", "skip", evidence=["never deployed"])
    log = client.get("deployment.readLogs", deploymentId=last["deploymentId"], tail=WHOLE_LOG)
    return scan_logs({"of the build": str(log or "")}, secrets)[0]
