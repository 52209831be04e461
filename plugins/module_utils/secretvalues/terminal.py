# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Words of containers, builds and servers, made fit for an operator's terminal."""

from __future__ import annotations

import re

# ECMA-48: control sequences (CSI), strings that a terminal acts on (OSC, DCS, SOS, PM, APC), other escapes.
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
# Also what turns the direction of writing: a line that shows something else than it says.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def fit_for_terminal(text: str) -> str:
    """The text without escape sequences; other control characters, line feed and tab apart, become a question mark."""
    return _CONTROLS.sub("?", _SEQUENCES.sub("", text.replace("\r\n", "\n")))
