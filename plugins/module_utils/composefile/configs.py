# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service's `configs`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .findings import Findings


def project_files(
    entries: list[Mapping[str, Any]],
    declared: Mapping[str, Any],
    values: Mapping[str, str],
    findings: Findings,
    directory: str,
) -> list[dict[str, Any]]:
    """As files of the release.

    Args:
        values: What Compose fills in for each variable.
        directory: The project's own.
    """
    files = []
    for entry in entries:
        source = entry["source"]
        config = declared.get(source) or {}
        item: dict[str, Any] = {"path": entry.get("target") or f"/{source}", "read_only": True}
        if config.get("external"):
            findings.refuse(
                f"configs.{source}.external", "an engine without a swarm has none", "file: or content: in its place"
            )
            continue
        if "content" in config:
            item["content"] = config["content"]
        elif config.get("environment") in values:
            item["content"] = values[config["environment"]]
        elif "file" in config:
            item["source"] = config["file"]
            if not Path(config["file"]).exists():
                shown = os.path.relpath(config["file"], directory)
                findings.decide(f"configs.{source}.file", f"{shown} is not in the project", "the file")
        else:
            findings.refuse(f"configs.{source}", "neither file nor content", "one of them")
            continue
        if entry.get("mode"):
            item["mode"] = f"{int(entry['mode']):04o}"
        if str(entry.get("uid") or "").isdigit():
            item["uid"] = int(entry["uid"])
        files.append(item)
    return files
