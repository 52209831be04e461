# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the engine puts what containers say."""

from __future__ import annotations

from typing import Any

from ..errors import UserError
from .fields import Fields

_ROTATED = ("max-size", "max-file", "compress")
_TOLD = ("tag", "labels", "labels-regex", "env", "env-regex")
_EVERY = ("mode", "max-buffer-size")
# What the engine keeps beside a driver that cannot be read, so that logs can be.
_CACHE = ("cache-disabled", "cache-max-size", "cache-max-file", "cache-compress")
_OPTIONS = {
    "json-file": (*_ROTATED, *_TOLD),
    "local": _ROTATED,
    "journald": _TOLD,
    "syslog": (
        *("syslog-address", "syslog-facility", "syslog-format", "syslog-tls-ca-cert", "syslog-tls-cert"),
        *("syslog-tls-key", "syslog-tls-skip-verify", *_TOLD, *_CACHE),
    ),
    "fluentd": (
        *("fluentd-address", "fluentd-async", "fluentd-async-reconnect-interval", "fluentd-buffer-limit"),
        *("fluentd-max-retries", "fluentd-request-ack", "fluentd-retry-wait", "fluentd-sub-second-precision"),
        *_TOLD,
        *_CACHE,
    ),
    "gelf": (
        *("gelf-address", "gelf-compression-type", "gelf-compression-level", "gelf-tcp-max-reconnect"),
        *("gelf-tcp-reconnect-delay", *_TOLD, *_CACHE),
    ),
}
ROTATED = {"max-size": "10m", "max-file": "5"}


def parse_logging(fields: Fields) -> dict[str, Any]:
    """What Compose is told of every service's log; nothing where the engine's own driver counts.

    Raises:
        UserError: Another driver, or an option that the driver does not know.
    """
    told = Fields(fields.raw("logging", {}), fields.path("logging"), ("driver", "options"))
    driver = told.choice("driver", "json-file", (*_OPTIONS, "engine"))
    given = told.mapping("options")
    if driver == "engine":
        if given:
            raise UserError(f"{told.path('options')}: the engine's own count; they go into docker_host_daemon.")
        return {}
    known = Fields(given, told.path("options"), (*_OPTIONS[driver], *_EVERY))
    options = {key: _text(known.raw(key)) for key in given if key in known}
    if driver == "gelf" and not options.get("gelf-address"):
        raise UserError(
            f"{told.path('options')}.gelf-address is missing: where the log goes, such as udp://host:12201."
        )
    limits = ROTATED if driver in ("json-file", "local") else {}
    return {"driver": driver, "options": {**limits, **options}}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
