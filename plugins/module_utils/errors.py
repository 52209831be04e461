# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Errors that a person can act on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any


class UserError(Exception):
    """Bad input or a bad surrounding: one sentence that names the setting, what is wrong, what to do.

    Modules hand its text to `fail_json` as it is; anything else that is raised is a defect.
    """


class StepError(Exception):
    """A step of a release failed: what is done so far is to be undone."""

    def __init__(self, cause: str, log: str = "", advice: str = "") -> None:
        super().__init__(cause)
        self.step = ""
        self.cause = cause
        self.log = log
        self.advice = advice


@contextlib.contextmanager
def one_message(module: Any) -> Iterator[None]:
    """Whatever trouble is expected inside ends the module with one message, without a traceback."""
    try:
        yield
    except UserError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        # A write to a full disk, for one, names no file.
        where = f"{error.filename}: " if error.filename else ""
        module.fail_json(msg=f"{where}{error.strerror or error}")


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint such as ` (did you mean 'port'?)` for a misspelt word; empty when nothing is near."""
    # Slow to import, and seldom needed.
    import difflib

    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {match[0]!r}?)" if match else ""
