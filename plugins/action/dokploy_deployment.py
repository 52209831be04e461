# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows a deployment's progress while the module waits: a build may take many minutes."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.secretvalues.terminal import fit_for_terminal

INTERVAL = 1.0


class ActionModule(ActionBase):
    """Runs the module and, where it runs on the controller, shows the lines that it writes meanwhile."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if self._connection.transport != "local" or arguments.get("progress_file"):
            result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
            return result
        handle, name = tempfile.mkstemp(prefix="dokploy-progress-")
        os.close(handle)
        ended = threading.Event()
        watcher = threading.Thread(target=show, args=(Path(name), ended), daemon=True)
        watcher.start()
        try:
            arguments["progress_file"] = name
            result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        finally:
            ended.set()
            watcher.join()
            Path(name).unlink()
        return result


def show(path: Path, ended: threading.Event) -> None:
    """Display each line that is added to a file, until the end."""
    display = Display()
    with path.open(encoding="utf-8") as file:
        while not ended.wait(INTERVAL):
            for line in file:
                display.display(fit_for_terminal(f"  dokploy: {line.rstrip()}"))
