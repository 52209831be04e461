# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a service's own Dockerfile says of what it is: the image that it begins from, and the ports that it exposes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LINE = re.compile(r"^\s*(FROM|ARG|EXPOSE)\s+(.+?)\s*$", re.MULTILINE | re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)(?::?-([^}]*))?\}?")
_LARGEST = 200_000


@dataclass(frozen=True)
class Built:
    """An image that is built."""

    base: str = ""
    """The image of its last stage, or of the stage that is asked for."""
    ports: tuple[int, ...] = ()


def built_from(build: Mapping[str, Any] | None) -> Built:
    """What the Dockerfile of a build says; nothing where it cannot be read."""
    if not build or "://" in str(build.get("context") or ""):
        return Built()
    path = os.path.join(str(build.get("context") or ""), str(build.get("dockerfile") or "Dockerfile"))
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(_LARGEST)
    except OSError:
        return Built()
    return _read(text, str(build.get("target") or ""), {k: str(v) for k, v in (build.get("args") or {}).items()})


def _read(text: str, target: str, given: Mapping[str, str]) -> Built:
    values: dict[str, str] = {}
    stages: dict[str, Built] = {}
    name, base = "", ""
    ports: tuple[int, ...] = ()
    for keyword, rest in _LINE.findall(text):
        filled = _VARIABLE.sub(lambda m: values.get(m[1]) or m[2] or "", rest)
        if keyword.upper() == "ARG":
            key, _, default = filled.partition("=")
            values[key.strip()] = given.get(key.strip()) or default.strip("\"'")
        elif keyword.upper() == "FROM":
            if name == target and target:
                break
            words = [w for w in filled.split() if not w.startswith("--")]
            before = stages.get(words[0] if words else "", Built(words[0] if words else ""))
            base, ports = before.base, before.ports
            name = words[2] if len(words) > 2 else ""
        else:
            ports = (*ports, *(int(p) for p in re.findall(r"\b(\d{2,5})(?:/tcp)?(?=\s|$)", filled)))
        stages[name] = Built(base, tuple(dict.fromkeys(ports)))
    return Built(base, tuple(dict.fromkeys(ports)))
