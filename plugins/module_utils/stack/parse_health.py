# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a service's health is seen."""

from __future__ import annotations

from ..errors import UserError
from .fields import Fields
from .parts import Health

_WAYS = ("path", "command", "test", "image", "none")
_TIMES = ("expect", "interval", "timeout", "retries", "start_period", "start_interval")


def parse_health(fields: Fields, port: int | None) -> Health | None:
    """A service's health.

    Args:
        port: Where it listens, for a path to ask.
    """
    if "health" not in fields:
        return None
    health = Fields(fields.raw("health"), fields.path("health"), (*_WAYS, *_TIMES))
    path = health.text("path", "", r"/[^\s'\"\\$`]*", "a URL path that starts with /")
    image, none, test = health.flag("image"), health.flag("none"), _test(health)
    if not (path or "command" in health or test or image or none):
        raise UserError(
            f"{health.where} needs path (an HTTP path on the service's port) or command; or test (as in Compose),"
            " image: true (the image says it) or none: true (staying up is enough)."
        )
    if sum((bool(path or "command" in health), bool(test), image, none)) > 1:
        raise UserError(f"{health.where} says it in several ways; keep one of path and command, test, image and none.")
    if path and port is None:
        raise UserError(f"{health.path('path')}: give the service a port to ask on.")
    # Where the engine or the image sets the pace, its own defaults hold.
    theirs = bool(test or image or none)
    return Health(
        path=path,
        command=health.script("command"),
        test=test,
        none=none or test[:1] == ("NONE",),
        expect=health.text("expect"),
        interval=health.duration("interval", 30 if theirs else 5),
        timeout=health.duration("timeout", 30 if theirs else 5),
        retries=health.integer("retries", 3 if theirs else 5, 1, 10_000) or 5,
        start_period=health.duration("start_period", 30 if theirs else 60),
        start_interval=health.duration("start_interval", 1) if "start_interval" in health else None,
    )


def _test(health: Fields) -> tuple[str, ...]:
    value = health.raw("test")
    words = ("CMD-SHELL", value) if isinstance(value, str) else health.texts("test")
    if words and words[0] not in ("CMD", "CMD-SHELL", "NONE"):
        raise UserError(f"{health.path('test')}: its first word is CMD, CMD-SHELL or NONE, as in Compose.")
    if words and len(words) < 2 and words[0] != "NONE":
        raise UserError(f"{health.path('test')}: a command follows {words[0]}.")
    return words
