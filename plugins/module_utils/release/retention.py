# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Old releases go; what serves, and the way back, never do."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

from ..stack.directory import Serving, read_description
from .run import Run


def releases_to_keep(records: Sequence[dict[str, Any]], serving: Serving, keep: int) -> set[str]:
    """The running release, its way back, and the newest that succeeded, up to `keep` in all."""
    kept = [d.release for d in (serving.current, serving.previous) if d]
    for record in reversed(records):
        if len(kept) >= keep:
            break
        if record.get("outcome") == "succeeded" and record["release"] not in kept:
            kept.append(record["release"])
    return set(kept)


def tidy(run: Run) -> list[str]:
    """Remove the other releases' files and let go of their images; the ids that went."""
    kept = releases_to_keep(run.state.records(), run.state.serving(), run.settings.keep_releases)
    directories = sorted(d for d in run.state.releases.iterdir() if d.is_dir())
    tags_kept = {t for d in directories if d.name in kept for t in _tags(d)}
    gone = [d for d in directories if d.name not in kept]
    for directory in gone:
        for tag in _tags(directory) - tags_kept:
            run.engine.forget(tag)
        shutil.rmtree(directory)
    return [d.name for d in gone]


def _tags(directory: Any) -> set[str]:
    content = read_description(directory) or {}
    return set(content.get("keep", {}).values())
