# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A user's daemon.json with our keys in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ..errors import UserError

Config = dict[str, Any]
PATH = "/etc/docker/daemon.json"
_LOG_DRIVER = "json-file"


def parse(text: str, path: str) -> Config:
    """The configuration in a file's text; empty text is an empty configuration.

    Raises:
        UserError: Not JSON, or not an object.
    """
    if not text.strip():
        return {}
    try:
        config = json.loads(text)
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); mend it or move it away, nothing was changed") from None
    if not isinstance(config, dict):
        raise UserError(f"{path} holds no JSON object; mend it or move it away, nothing was changed")
    return config


def lay_over(present: Config, wanted: Config) -> Config:
    """The engine's new configuration: `merge`, but options of a log driver go with it, as no other knows them."""
    before, after = (config.get("log-driver", _LOG_DRIVER) for config in (present, merge(present, wanted)))
    kept = present if before == after else {key: value for key, value in present.items() if key != "log-opts"}
    return merge(kept, wanted)


def merge(present: Config, wanted: Config) -> Config:
    """What is present, with what is wanted laid over it.

    Objects are merged key by key, lists and scalars replaced, and a key that is wanted as None is dropped.
    Neither argument is changed.
    """
    merged = dict(present)
    for key, value in wanted.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            base = merged.get(key)
            merged[key] = merge(base if isinstance(base, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def stands(path: Path, wanted: Config) -> bool:
    """Whether the file has these keys; false where it cannot be read as one."""
    try:
        present = parse(path.read_text(encoding="utf-8") if path.exists() else "", str(path))
        return lay_over(present, wanted) == present
    except UserError:
        return False


def render(config: Config) -> str:
    """The file's text: sorted, so that the same settings give the same bytes."""
    return json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def passwords(text: str) -> set[str]:
    """The passwords within URLs, as a proxy's address holds one, as written and as meant."""
    found = {match[1] for match in re.finditer(r"://[^/\s:@\"]*:([^/\s@\"]+)@", text)}
    return found | {unquote(password) for password in found}
