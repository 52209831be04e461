# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The head of a branch, asked of the repository itself: Dokploy deploys it, whatever revision is meant."""

from __future__ import annotations

import os
import subprocess

TIMEOUT = 20.0


def branch_head(url: str, branch: str) -> str:
    """The commit at a branch's head; empty where that cannot be known here."""
    return _refs(url, f"refs/heads/{branch}").get(f"refs/heads/{branch}", "")


def ref_at(url: str, branch: str, revision: str) -> str:
    """The name of a branch, this one if it may be, or of a tag that ends at a commit; empty where there is none."""
    refs = _refs(url, "refs/heads/*", "refs/tags/*")
    # An annotated tag is listed twice, the second time with the commit that it is at.
    names = [name.removesuffix("^{}") for name, commit in refs.items() if commit == revision]
    short = [name.split("/", 2)[2] for name in names]
    return branch if branch in short else next(iter(short), "")


def _refs(url: str, *patterns: str) -> dict[str, str]:
    """Commits by the names of what ends at them.

    Only repositories that are read without credentials are asked: the key to others is Dokploy's.
    """
    if not url.startswith(("https://", "http://")):
        return {}
    argv = ["git", "-c", "credential.helper=", "ls-remote", "--", url, *patterns]
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
        return {}
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return {name: commit for commit, _, name in (line.partition("\t") for line in lines)}
