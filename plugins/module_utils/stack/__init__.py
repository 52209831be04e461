# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stack description: one model, which every role, gate and engine reads."""

from .model import COLOURS, Colour, Condition, Hook, Job, Role, Route, Service, Stack, Strategy
from .parts import Build, File, Health, Limits, Port, Secret, Volume

__all__ = [
    "COLOURS",
    "Build",
    "Colour",
    "Condition",
    "File",
    "Health",
    "Hook",
    "Job",
    "Limits",
    "Port",
    "Role",
    "Route",
    "Secret",
    "Service",
    "Stack",
    "Strategy",
    "Volume",
]
