# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The head of a branch, asked of the repository itself: Dokploy deploys it, whatever revision is meant."""

from __future__ import annotations

import os
import subprocess

TIMEOUT = 20.0


def branch_head(url: str, branch: str) -> str:
    """The commit at a branch's head; empty where that cannot be known here.

    Only repositories that are read without credentials are asked: the key to others is Dokploy's.
    """
    if not url.startswith(("https://", "http://")):
        return ""
    argv = ["git", "-c", "credential.helper=", "ls-remote", "--", url, f"refs/heads/{branch}"]
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"}
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=TIMEOUT,
            env={**os.environ, **quiet},
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.partition("\t")[0] if done.returncode == 0 else ""
