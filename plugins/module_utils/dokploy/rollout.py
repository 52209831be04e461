# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A deployment from the decision whether one is due to containers that serve, with its gates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import DeploymentFailedError, RolloutError, UserError
from ..results import worst_status
from ..secretvalues.terminal import fit_for_terminal
from .client import Client
from .containers import HealthWatch, Verdict, health_gate
from .deployment import Deployer, Timeline, newest, reasons_to_deploy, revision_of, watch_containers
from .fingerprint import fingerprint, join_description, split_description
from .logscan import known_secrets, scan_logs
from .preflight import preflight
from .record import Source, label, read_record, remember, restore, source_of, target
from .services import read_service

LOG_LINES_SHOWN = 40


@dataclass(frozen=True)
class Wish:
    """How a deployment is to be done.

    Attributes:
        secrets: Values to look for in logs and to hide.
        scan: What a secret in the build log means: `fail`, `warn` or `off`.
        services: Services that must have a container.
        pending: Whether check mode held back changes that make a deployment due.
        go_back: Whether what served before is deployed again when this is not to be trusted.
    """

    force: bool = False
    pending: bool = False
    go_back: bool = True
    revision: str = ""
    title: str = "Deployed by Ansible"
    secrets: Mapping[str, str] = field(default_factory=dict)
    scan: str = "fail"
    check_file: bool = True
    services: tuple[str, ...] = ()
    wait_timeout: float = 1800
    health_timeout: float = 300
    settle: float = 10


class Rollout:
    """One service, deployed if due."""

    def __init__(self, client: Client, compose_id: str, wish: Wish, timeline: Timeline | None = None) -> None:
        self._client = client
        self._id = compose_id
        self._wish = wish
        self._timeline = timeline or Timeline()
        self._stored = read_service(client, compose_id)
        self._secrets = known_secrets(self._stored.get("env"), wish.secrets)
        client.redact.add(self._secrets.values())
        self._result: dict[str, Any] = {"changed": False, "gates": [], "timeline": self._timeline.lines}

    def run(self, *, check: bool) -> dict[str, Any]:
        """Deploy if due, then make sure that the containers serve.

        Raises:
            RolloutError: With everything known about why.
        """
        _, mark = split_description(self._stored.get("description"))
        wanted_mark = fingerprint(self._stored)
        reasons = reasons_to_deploy(
            self._stored,
            mark=mark,
            wanted_mark=wanted_mark,
            revision=self._wish.revision,
            force=self._wish.force,
        )
        if self._wish.pending and not reasons:
            reasons = ["source, environment or domains would change"]
        self._describe(newest(self._stored.get("deployments") or []), reasons)
        if reasons:
            # What is deployed has no text that could be shown; the mark is its digest.
            self._result["diff"] = {
                "before": {"deployed": mark},
                "after": {"deployed": wanted_mark, "because": reasons},
            }
        if reasons and check:
            return {**self._result, "changed": True}
        if not reasons:
            self._check_health(fresh=False)
            return self._result
        preflight(self._client, self._stored, revision=self._wish.revision, check_file=self._wish.check_file)
        try:
            self._deploy()
            self._check_health(fresh=True)
        except RolloutError as error:
            raise self._gone_back(error)
        self._remember(wanted_mark)
        return self._result

    def roll_back(self, *, check: bool) -> dict[str, Any]:
        """What served before is deployed again, and judged as anything else.

        Raises:
            UserError: It is not known, or cannot be deployed.
        """
        source = target(self._stored)
        reasons, newest_row = ["asked for (rolled_back)"], newest(self._stored.get("deployments") or [])
        self._describe(newest_row, reasons)
        now = source_of(self._stored, revision_of(newest_row))
        diff = {"before": {"deployed": label(now)}, "after": {"deployed": label(source), "because": reasons}}
        if check:
            return {**self._result, "changed": True, "diff": diff}
        return {**self._again(source), "reasons": reasons, "diff": diff}

    def _again(self, source: Source) -> dict[str, Any]:
        restore(self._client, self._stored, source)
        wish = replace(self._wish, force=True, go_back=False, revision=str(source.get("revision") or ""))
        return Rollout(self._client, self._id, wish, self._timeline).run(check=False)

    def _gone_back(self, error: RolloutError) -> RolloutError:
        """The same failure, after what served before it was deployed again where that is another source."""
        served = read_record(self._stored).served
        tried = revision_of(newest(read_service(self._client, self._id).get("deployments") or []))
        if not self._wish.go_back or served is None or served == source_of(self._stored, tried):
            return error
        try:
            self._again(served)
        except UserError as second:
            return RolloutError(f"{error}\nWhat served before could not be brought back: {second}", error.result)
        return RolloutError(
            f"{error}\nWhat served before was deployed again, and serves.", {**error.result, "went_back": True}
        )

    def stop(self, *, check: bool) -> dict[str, Any]:
        """The service's containers are stopped."""
        self._describe(newest(self._stored.get("deployments") or []), [])
        if self._stored.get("composeStatus") != "idle":
            self._result["changed"] = True
            self._result["diff"] = {"before": {"state": "deployed"}, "after": {"state": "stopped"}}
            if not check:
                self._client.post("compose.stop", timeout=300, composeId=self._id)
        return self._result

    def _describe(self, row: Mapping[str, Any] | None, reasons: list[str]) -> None:
        row = row or {}
        self._result |= {
            "app_name": self._stored.get("appName"),
            "reasons": reasons,
            "deployment_id": row.get("deploymentId"),
            "status": row.get("status"),
            "revision": revision_of(row),
        }

    def _deploy(self) -> None:
        deployer = Deployer(self._client, self._id, timeout=self._wish.wait_timeout, timeline=self._timeline)
        try:
            row = deployer.run(self._wish.title, commits=self._stored.get("sourceType") != "raw")
        except DeploymentFailedError as error:
            log = deployer.log(error.deployment_id) if error.deployment_id else ""
            self._result |= {"status": "failed", "deployment_id": error.deployment_id}
            self._scan(log)
            leaks = self._leaks()
            raise self._failed(f"{error}; and {leaks}" if leaks else str(error), log)
        self._result["changed"] = True
        self._describe(row, self._result["reasons"])
        if self._wish.revision and revision_of(row):
            self._check_revision(row)
        log = deployer.log(row["deploymentId"])
        self._scan(log)
        if self._leaks():
            raise self._failed(self._leaks(), "")

    def _leaks(self) -> str:
        """What the scan of the build log makes of it, where that is to fail."""
        if self._wish.scan != "fail" or worst_status(self._result["gates"]) != "fail":
            return ""
        return "the build log holds secrets, and whoever reads it has them: rotate them; the gate says which and where"

    def _check_revision(self, row: Mapping[str, Any]) -> None:
        built = revision_of(row)
        if not built.startswith(self._wish.revision) and not self._wish.revision.startswith(built):
            raise self._failed(
                f"Dokploy built commit {built[:12]}, not {self._wish.revision[:12]}: "
                "the branch's head moved, or the commit was not pushed",
                "",
            )

    def _scan(self, log: str) -> None:
        if self._wish.scan == "off":
            return
        result, found = scan_logs({"of the build": log}, self._secrets, fail=self._wish.scan == "fail")
        self._client.redact.add(found)
        self._result["gates"].append(result)

    def _check_health(self, *, fresh: bool) -> None:
        """Containers are judged by what they do, since `done` only means that Compose started them."""
        watch = HealthWatch(self._wish.services, self._wish.settle)
        verdict, rows = watch_containers(
            self._client, self._stored, watch, timeout=self._wish.health_timeout, timeline=self._timeline
        )
        self._result["containers"] = [{key: row.get(key) for key in ("name", "state", "status")} for row in rows]
        self._result["gates"].append(health_gate(verdict, len(rows)))
        if not verdict.good:
            said = "; ".join(verdict.broken + verdict.waiting)
            prefix = "Dokploy calls the deployment done, but" if fresh else "nothing changed, but"
            raise self._failed(f"{prefix} its containers do not serve: {said}", self._logs_of(verdict, rows))

    def _logs_of(self, verdict: Verdict, rows: Iterable[Mapping[str, Any]]) -> str:
        """The last lines of the containers that are not well."""
        said = verdict.broken + verdict.waiting
        sick = [row for row in rows if any(line.startswith(f"{row.get('name')}:") for line in said)]
        parts = []
        for row in sick[:3]:
            text = self._client.get(
                "compose.readLogs", composeId=self._id, containerId=row["containerId"], tail=LOG_LINES_SHOWN
            )
            parts.append(f"{row['name']}:\n{text}")
        return "\n".join(parts)

    def _remember(self, mark: str) -> None:
        """Only now is what the server holds also what runs and serves."""
        remember(self._client, self._stored, source_of(self._stored, str(self._result["revision"] or "")))
        text, _ = split_description(self._stored.get("description"))
        self._client.post("compose.update", composeId=self._id, description=join_description(text, mark))

    def _failed(self, message: str, log: str) -> RolloutError:
        tail = fit_for_terminal(self._client.redact(log)).splitlines()[-LOG_LINES_SHOWN:]
        shown = f"\nThe end of the log:\n{chr(10).join(tail)}" if tail else ""
        return RolloutError(message + shown, {**self._result, "log_tail": tail})
