# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The seam to what sends requests to a release: an executable that switches, and says who serves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any, Protocol

from ..errors import EdgeError
from ..stack import Colour

_TIMEOUT = 60
Upstreams = dict[str, list[str]]


class Edge(Protocol):
    def serving(self) -> Colour | None:
        """The colour that the edge sends requests to; `None` for the maintenance page."""

    def switch(self, colour: Colour | None, upstreams: Upstreams) -> None:
        """Send requests to a colour's addresses, or with `None` answer with the maintenance page."""


class NoEdge:
    """For a stack that no edge stands before: nothing switches, so what is on record serves."""

    def __init__(self, colour: Colour | None) -> None:
        self._colour = colour

    def serving(self) -> Colour | None:
        return self._colour

    def switch(self, colour: Colour | None, upstreams: Upstreams) -> None:
        self._colour = colour


class CommandEdge:
    """An executable with `status STACK` and `to STACK`, JSON in and out."""

    def __init__(self, argv: Sequence[str], stack: str) -> None:
        self._argv = list(argv)
        self._stack = stack

    def serving(self) -> Colour | None:
        colour: Colour | None = self._call("status", None).get("serving")
        return colour

    def switch(self, colour: Colour | None, upstreams: Upstreams) -> None:
        self._call("to", {"colour": colour, "upstreams": upstreams})

    def _call(self, verb: str, request: dict[str, Any] | None) -> dict[str, Any]:
        try:
            done = subprocess.run(
                [*self._argv, verb, self._stack],
                input=json.dumps(request) if request else "",
                capture_output=True,
                timeout=_TIMEOUT,
                check=False,
                encoding="utf-8",
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            raise EdgeError(f"the edge's switch {self._argv[0]} did not end within {_TIMEOUT} s")
        except OSError as error:
            raise EdgeError(f"the edge's switch {self._argv[0]} did not run: {error}")
        if done.returncode:
            said = done.stderr.strip() or f"exit status {done.returncode}"
            raise EdgeError(f"the edge refused: {said.splitlines()[-1]}")
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise EdgeError(f"the edge's switch {self._argv[0]} did not answer in JSON")
        return answer
