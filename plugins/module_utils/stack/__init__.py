# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stack description: one model, which every role, gate and engine reads."""

from .model import (
    COLOURS,
    Build,
    Colour,
    Health,
    Hook,
    Limits,
    Role,
    Route,
    Secret,
    Service,
    Stack,
    Strategy,
    Volume,
)

__all__ = [
    "COLOURS",
    "Build",
    "Colour",
    "Health",
    "Hook",
    "Limits",
    "Role",
    "Route",
    "Secret",
    "Service",
    "Stack",
    "Strategy",
    "Volume",
]
