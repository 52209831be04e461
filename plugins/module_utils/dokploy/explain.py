# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The line of a server's message that a person needs: the rest may be a script with its keys in it."""

from __future__ import annotations

import re

from ..secretvalues.redaction import mask_private_keys

LONGEST = 300
# How git, ssh and what they call begin the line that says why they gave up.
_REASON = re.compile(
    r"(?:fatal|error(?: response from daemon)?|remote|ssh|kex_exchange_identification|[\w.-]+@[\w.-]+): .*"
    r"|Host key verification failed\.|Permission denied \(.*",
    re.IGNORECASE,
)
# Git says this of whatever happens to ssh, which said before it what did.
_SSH_FAILED = "fatal: Could not read from remote repository."
# An ORM's message holds the statement with all its values, environments among them.
_STATEMENT = re.compile(r"failed query:|\b(?:insert into|update|delete from|select) \"", re.IGNORECASE)


def last_reason(text: str) -> str:
    """Why something failed; empty where the text holds no line that could be shown.

    A short text of one line is its own reason. Of a longer one, which may hold the script that failed, only a line
    that git or ssh wrote is shown, git's last one, and ssh's before it where git's leaves open why.
    """
    lines = [line.strip() for line in mask_private_keys(text).splitlines() if line.strip()]
    if _STATEMENT.search(text):
        return "its database refused the values; an id in the request may lead nowhere"
    reasons = [line for line in lines if _REASON.fullmatch(line)]
    if reasons:
        last = max((n for n, line in enumerate(reasons) if line.lower().startswith("fatal: ")), default=-1)
        said = reasons[last][:LONGEST]
        if said == _SSH_FAILED and last:
            return f"{reasons[last - 1][:LONGEST]}; {said}"
        return said
    return lines[0] if len(lines) == 1 and len(lines[0]) <= LONGEST else ""
