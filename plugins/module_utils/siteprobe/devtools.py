# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Chromium of one's own, spoken to over a pair of pipes, so that no port of the machine is open to others.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from ..errors import BrowserError

COMMANDS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-sync",
    "--hide-scrollbars",
    "--metrics-recording-only",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-proxy-server",
)
# Chromium reads its orders from descriptor 3 and answers on 4; root's sandbox does not work, nobody's does.
_LAUNCHER = """
import os, sys
orders, answers, user, *argv = sys.argv[1:]
if int(user):
    os.setgroups([]); os.setgid(int(user)); os.setuid(int(user))
os.dup2(int(orders), 3); os.dup2(int(answers), 4)
os.execv(argv[0], argv)
"""
_NOBODY = 65534
_MOST_BYTES = 64 << 20


def find(command: str = "") -> str:
    """The path of a Chromium, or of the one that is named; empty where there is none."""
    for name in (command,) if command else COMMANDS:
        found = shutil.which(name)
        if found:
            return found
    return ""


class Browser:
    """A headless Chromium with a profile that ends with it.

    Args:
        path: The Chromium.
        flags: Further flags.
        deadline: The moment of `time.monotonic()` after which nothing is waited for.
        heed: Called with the method and the parameters of each event.

    Raises:
        BrowserError: Of every method.
    """

    def __init__(
        self, path: str, flags: Sequence[str], deadline: float, heed: Callable[[str, Mapping[str, Any]], None]
    ) -> None:
        self._argv = [path, *_FLAGS, *flags]
        self._deadline = deadline
        self._heed = heed
        self._session = ""
        self._number = 0
        self._left = _MOST_BYTES
        self._buffer = b""
        self._answers: dict[int, dict[str, Any]] = {}

    def __enter__(self) -> Browser:
        user = _NOBODY if os.geteuid() == 0 else 0
        self._profile = tempfile.mkdtemp(prefix="sluice-browser-")
        if user:
            os.chown(self._profile, user, user)
        orders, self._orders = os.pipe()
        self._told, answers = os.pipe()
        # Above 9, so that none of them is in the way of 3 and 4.
        theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (orders, answers)]
        argv = [*self._argv, f"--user-data-dir={self._profile}", "about:blank"]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-ISc", _LAUNCHER, *map(str, theirs), str(user), *argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": self._profile, "LANG": "C.UTF-8"},
                cwd=self._profile,
                pass_fds=theirs,
                start_new_session=True,
            )
        except OSError as error:
            self._tidy()
            raise BrowserError(str(error.strerror or error))
        finally:
            for end in (orders, answers, *theirs):
                os.close(end)
        os.set_blocking(self._orders, False)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # It has a session of its own with all its children, and nothing worth keeping.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._tidy()

    def _tidy(self) -> None:
        os.close(self._orders)
        os.close(self._told)
        shutil.rmtree(self._profile, ignore_errors=True)

    def open_page(self) -> None:
        """Speak to a new page from now on."""
        page = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self.call("Target.attachToTarget", {"targetId": page, "flatten": True})["sessionId"]

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer to an order; events that come before it are heeded."""
        number = self.tell(method, params)
        while number not in self._answers:
            self.wait(self._deadline - time.monotonic())
            if number not in self._answers and time.monotonic() > self._deadline:
                raise BrowserError(f"no answer to {method} in time")
        answer = self._answers.pop(number)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error'].get('message', 'refused')}")
        return dict(answer.get("result") or {})

    def tell(self, method: str, params: Mapping[str, Any] | None = None) -> int:
        """Send an order without waiting for its answer; tells its number."""
        self._number += 1
        order = {"id": self._number, "method": method, "params": dict(params or {})}
        if self._session:
            order["sessionId"] = self._session
        data = json.dumps(order).encode() + b"\0"
        while data:
            _, ready, _ = select.select([], [self._orders], [], max(0, self._deadline - time.monotonic()))
            if not ready:
                raise BrowserError(f"{method} was not taken in time")
            try:
                data = data[os.write(self._orders, data) :]
            except BrokenPipeError:
                raise BrowserError("it ended by itself")
        return self._number

    def wait(self, seconds: float) -> bool:
        """Take in what comes within that time; false when nothing does."""
        ready, _, _ = select.select([self._told], [], [], max(0, min(seconds, self._deadline - time.monotonic())))
        if not ready:
            return False
        data = os.read(self._told, 1 << 20)
        self._left -= len(data)
        if not data:
            raise BrowserError("it ended by itself")
        if self._left < 0:
            raise BrowserError("the page tells without end")
        *messages, self._buffer = (self._buffer + data).split(b"\0")
        for message in messages:
            told = json.loads(message)
            if "id" in told:
                self._answers[told["id"]] = told
            else:
                self._heed(told.get("method", ""), told.get("params") or {})
        return True
