# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows a stack's logs line by line, and goes on as they grow: a module alone could only answer once."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

_PAUSE = 1.0


class ActionModule(ActionBase):
    """The action before M(sluice.deploy.stack_logs)."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        host = (task_vars or {}).get("inventory_hostname", "")
        arguments = dict(self._task.args)
        deadline = time.monotonic() + float(arguments.get("follow") or 0)
        shown: list[dict[str, str]] = []
        while True:
            answer = self._execute_module("sluice.deploy.stack_logs", arguments, task_vars=task_vars)
            if answer.get("failed"):
                return answer
            # What has the very time of the last line is asked for again.
            new = [line for line in answer["lines"] if line not in shown]
            for line in new:
                Display().display(f"{host} {line['at'][:19]} {line['service']} | {line['text']}")
            shown += new
            if time.monotonic() >= deadline:
                result.update(changed=False, lines=shown)
                return result
            if shown:
                arguments["since"] = shown[-1]["at"]
            time.sleep(_PAUSE)
