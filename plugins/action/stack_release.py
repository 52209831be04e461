# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows in which step a release is while the module works: a migration may take many minutes."""

from __future__ import annotations

import re
import threading
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.release.progress import PLACE
from ..module_utils.secretvalues.terminal import fit_for_terminal
from ..module_utils.stack.model import STACK_NAME

INTERVAL = 10.0


class ActionModule(ActionBase):
    """The action before M(sluice.deploy.stack_release)."""

    TRANSFERS_FILES = False
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        stack = self._task.args.get("stack")
        name = str(stack.get("name")) if isinstance(stack, dict) else ""
        ended = threading.Event()
        watcher = threading.Thread(target=self._show, args=(name, ended), daemon=True)
        # What no release is begun with, no shell is told.
        if re.fullmatch(STACK_NAME, name) and not self._task.check_mode:
            watcher.start()
        try:
            result.update(self._execute_module(task_vars=task_vars, wrap_async=bool(self._task.async_val)))
        finally:
            ended.set()
        return result

    def _show(self, stack: str, ended: threading.Event) -> None:
        """A line for a step that goes on, and again when it has gone on for twice as long."""
        shown, seconds = "", 0
        while not ended.wait(INTERVAL):
            step, lasts = self._step(stack)
            if not step or ended.is_set():
                continue
            if lasts >= INTERVAL and (step != shown or lasts >= 2 * seconds):
                shown, seconds = step, lasts
                Display().display(fit_for_terminal(f"  release of {stack}: {step}, for {lasts} s"))

    def _step(self, stack: str) -> tuple[str, int]:
        """What the server is at and for how many seconds, by its own clock; nothing where it does not say."""
        try:
            status, told, _ = self._connection.exec_command(f"date +%s && cat {PLACE}/{stack}", sudoable=False)
            now, begun, step = told.decode().split(None, 2)
            return ("", 0) if status else (step.strip(), max(0, int(now) - int(begun)))
        except Exception:
            # Whatever it is, a release is not to fail for want of a word about it.
            return "", 0
