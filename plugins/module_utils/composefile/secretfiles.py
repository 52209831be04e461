# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A project's `secrets`: files in a container, whose values are kept apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .apart import Apart
from .names import identifier

_LARGEST = 500_000


def secret_files(
    read: Mapping[str, Any], declared: Mapping[str, Any], env: dict[str, str], apart: Apart
) -> list[dict[str, Any]]:
    """A service's secret files in the description's form.

    Args:
        env: Its variables; one that holds a secret's path is taken out, the secret itself says it.
    """
    found = []
    for entry in read.get("secrets") or []:
        source = entry["source"]
        about = declared.get(source) or {}
        name = identifier(str(about.get("environment") or source))
        target = str(entry.get("target") or source)
        path = target if target.startswith("/") else f"/run/secrets/{target}"
        item: dict[str, Any] = {"name": name, "as": "file"}
        if path != f"/run/secrets/{name}":
            item["path"] = path
        variable = next((key for key, value in env.items() if value == path), "")
        if variable:
            del env[variable]
        item["env"] = variable or False
        if str(entry.get("uid") or "").isdigit():
            item["uid"] = int(entry["uid"])
        _value(source, about, name, apart)
        found.append(item)
    return found


def build_secrets(build: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, str]:
    """A build's secrets in the description's form: by id, a secret's name or a file of the server."""
    found = {}
    for entry in build.get("secrets") or []:
        about = declared.get(entry["source"]) or {}
        told = about.get("file") or identifier(str(about.get("environment") or entry["source"]))
        found[str(entry.get("target") or entry["source"])] = str(told)
    return found


def _value(source: str, about: Mapping[str, Any], name: str, apart: Apart) -> None:
    if name in apart.given:
        return
    if "file" not in about:
        # An external one is the vault's here; of a variable, the variable is what is asked for.
        if about.get("external"):
            apart.want(name, f"secrets.{source}.external")
        return
    try:
        with Path(about["file"]).open(encoding="utf-8") as stream:
            text = stream.read(_LARGEST)
    except (OSError, ValueError):
        apart.want(name, f"secrets.{source}.file")
        return
    # What is written with an editor ends with a line feed that no program counts to the secret.
    text = text.removesuffix("\n") if text.count("\n") == 1 else text
    if text.strip():
        apart.note(name, text, f"secrets.{source}.file")
