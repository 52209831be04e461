# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a scan is asked to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any, NamedTuple

from ..errors import UserError
from .logs import records

_AGO = re.compile(r"(\d+)\s*([smhd])")
_HIDDEN = ("texts", "secrets", "fingerprint_key")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


_NO_TEXTS: Mapping[str, str] = MappingProxyType({})


class Options(NamedTuple):
    """The settings of a scan, by the names that the module gives them."""

    project: str = ""
    containers: Sequence[str] = ()
    labels: Sequence[str] = ()
    journal_units: Sequence[str] = ()
    images: Sequence[str] = ()
    paths: Sequence[str] = ()
    texts: Mapping[str, str] = _NO_TEXTS
    secrets: Mapping[str, str] = _NO_TEXTS
    secret_files: Sequence[str] = ()
    since: str = ""
    until: str = ""
    state_file: str = ""
    fingerprint_key: str = ""
    ignore: Sequence[Mapping[str, Any]] = ()
    rules: Sequence[Mapping[str, Any]] = ()
    disable_rules: Sequence[str] = ()
    keywords: str = "off"
    engine: str = "auto"
    threads: int = 0
    docker_host: str = "unix:///var/run/docker.sock"
    cache: str = "/var/cache/sluice/secretscan"
    write: bool = True

    def __repr__(self) -> str:
        """Without texts and secrets, so that no traceback shows them."""
        shown = {name: value for name, value in self._asdict().items() if name not in _HIDDEN}
        return f"Options({shown})"


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
    moment = records.moment(text.strip())
    if not moment:
        raise UserError(f"{setting}: {text!r} is neither a time like 2026-01-31T12:00:00Z nor an age like 15m or 2h")
    return moment
