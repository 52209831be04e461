# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sends images of the controller over the connection that is there, and of each image what the server lacks."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.errors import UserError
from ..plugin_utils import building, carry

BUILDING: dict[str, dict[str, Any]] = {
    "stack": {"type": "dict"},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "gates": {"type": "dict", "default": {}},
    "hadolint": {"type": "str", "default": "hadolint"},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "images": {"type": "list", "elements": "str", "default": []},
    "docker_host": {"type": "str"},
    **BUILDING,
}


class ActionModule(ActionBase):
    """The action before M(sluice.deploy.stack_images)."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _, given = self.validate_argument_spec(argument_spec=OPTIONS)
        try:
            references, unbuilt = given["images"], building.built_here(given["stack"]) if given["stack"] else []
            if unbuilt and not self._task.check_mode:
                built, result["gates"] = building.build(**{name: given[name] for name in BUILDING})
                references = [*references, *built]
            wanted = [carry.inspect(reference) for reference in dict.fromkeys(references)]
            there = self._module({"wanted": wanted}, task_vars)
            if there.get("failed"):
                return {**result, **there}
            lacking: dict[str, int] = there["lacking"]
            rehearsed = unbuilt if self._task.check_mode else []
            result.update(changed=bool(lacking or rehearsed), carried=sorted([*lacking, *rehearsed]), sent=0)
            if lacking and not self._task.check_mode:
                result.update(self._carry(lacking, task_vars))
        except UserError as error:
            return {**result, "failed": True, "msg": str(error)}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _carry(self, lacking: dict[str, int], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Without what the server has; whole, where its engine does not take a part."""
        sent = 0
        with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
            saved, packed = Path(scratch) / "saved.tar", Path(scratch) / "images.tar.gz"
            carry.save(list(lacking), saved)
            tries = [lacking] if not any(lacking.values()) else [lacking, {}]
            for known in tries:
                sent += carry.pack(saved, known, packed)
                target = self._connection._shell.join_path(self._connection._shell.tmpdir, packed.name)
                self._transfer_file(str(packed), target)
                answer = self._module({"archive": target, "images": list(lacking)}, task_vars)
                if not answer.get("failed"):
                    return {"sent": sent}
        return {"failed": True, "changed": False, "msg": answer["msg"], "sent": sent}

    def _module(self, args: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        docker_host = self._task.args.get("docker_host")
        more = {"docker_host": docker_host} if docker_host else {}
        return self._execute_module(module_args={**args, **more}, task_vars=task_vars)
