# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine, asked about a Compose project of another's making."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..docker.containers import belongs
from ..errors import EngineError
from .docker import Docker
from .engine import Member, Project
from .likeness import differences


class ForeignProjects(Docker):
    """Projects that `docker compose up` started."""

    def members(self, project: str) -> list[Member]:
        found = [self._find(f"/containers/{c['Id']}/json") for c in self._listed(project)]
        own = [c for c in found if c and belongs(c["Name"], c["Config"]["Labels"])[0] == project]
        return [_member(c) for c in own if c["State"]["Running"] and not _once(c)]

    def retire(self, members: Sequence[Member]) -> None:
        if members:
            ids = [member.id for member in members]
            self._docker("update", "--restart", "no", *ids)
            self._docker("stop", *ids)

    def revive(self, members: Sequence[Member]) -> None:
        for member in members:
            self._docker("update", "--restart", member.restart, member.id)
            self._docker("start", member.id)

    def differences(
        self, project: Project, members: Mapping[str, Member], places: Mapping[str, str]
    ) -> dict[str, list[str]]:
        try:
            self._compose(project, "create", "--no-build", "--pull", "never", *members)
            made = {c.service: self._ask(f"/containers/{c.id}/json") for c in self.containers(project.name)}
            there = {service: self._ask(f"/containers/{member.id}/json") for service, member in members.items()}
        finally:
            self.remove(project.name)
        return {service: differences(made[service], there[service], places) for service in members}

    def adopt(self, member: Member, name: str, network: str, names: Sequence[str]) -> None:
        self.lend(member.id, network, names)
        self._docker("update", "--restart", "unless-stopped", member.id)
        self._docker("rename", member.id, name)

    def give_back(self, member: Member, network: str) -> None:
        told = self._find(f"/containers/{member.id}/json")
        if not told:
            return
        if told["Name"].lstrip("/") != member.name:
            self._docker("rename", member.id, member.name)
        if network in told["NetworkSettings"]["Networks"] and network not in member.networks:
            self._docker("network", "disconnect", network, member.id)

    def lend(self, container: str, network: str, names: Sequence[str]) -> None:
        aliases = [word for name in names for word in ("--alias", name)]
        try:
            self._docker("network", "connect", *aliases, network, container)
        except EngineError as error:
            if "already exists" not in str(error):
                raise


def _once(found: dict[str, Any]) -> bool:
    return str(found["Config"]["Labels"].get("com.docker.compose.oneoff")) == "True"


def _member(found: dict[str, Any]) -> Member:
    policy = found["HostConfig"]["RestartPolicy"]
    count = policy.get("MaximumRetryCount")
    restart = f"{policy['Name']}:{count}" if policy["Name"] == "on-failure" and count else policy["Name"] or "no"
    return Member(
        id=found["Id"],
        name=found["Name"].lstrip("/"),
        service=found["Config"]["Labels"]["com.docker.compose.service"],
        restart=restart,
        networks=tuple(sorted(found["NetworkSettings"]["Networks"])),
        binds=tuple((m["Source"], m["Destination"]) for m in found["Mounts"] if m["Type"] == "bind"),
    )
