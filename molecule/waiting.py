"""Waiting for what comes about by itself."""

from __future__ import annotations

import time


def eventually(condition, seconds: float = 15):
    """What the condition answers, once that is true; until then, what does not answer is no answer."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            result = last = condition()
        except (AssertionError, OSError, ValueError) as error:
            result, last = None, error
        if result:
            return result
        assert time.monotonic() < deadline, f"not within {seconds:g} s; last: {last!r}"
        time.sleep(0.1)
