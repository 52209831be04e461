# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a scan is asked to do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from ..errors import UserError
from . import records

_AGO = re.compile(r"(\d+)\s*([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass
class Options:
    """The settings of a scan, by the names that the module gives them."""

    project: str = ""
    containers: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    journal_units: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict, repr=False)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    secret_files: list[str] = field(default_factory=list)
    since: str = ""
    until: str = ""
    state_file: str = ""
    fingerprint_key: str = field(default="", repr=False)
    ignore: list[dict[str, Any]] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)
    disable_rules: list[str] = field(default_factory=list)
    keywords: str = "off"
    engine: str = "auto"
    threads: int = 0
    docker_host: str = "unix:///var/run/docker.sock"
    cache: str = "/var/cache/sluice/secretscan"
    write: bool = True


def parse_moment(text: str, setting: str, now: datetime | None = None) -> str:
    """A time as given by a person: 2026-01-31T12:00:00Z, or 15m for so long ago.

    Raises:
        UserError: It is neither.
    """
    if not text:
        return ""
    ago = _AGO.fullmatch(text.strip())
    if ago:
        then = (now or datetime.now(timezone.utc)) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return records.moment(then.isoformat())
    try:
        moment = records.moment(text.strip())
    except ValueError:
        moment = ""
    if not moment:
        raise UserError(f"{setting}: {text!r} is neither a time like 2026-01-31T12:00:00Z nor an age like 15m or 2h")
    return moment
