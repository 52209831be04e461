# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings that roles have, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..module_utils.errors import nearest

_SHORTEST_PASSWORD = 8


def options_of(role: Path) -> dict[str, Any]:
    """The settings that a role has, as its specification describes them."""
    text = (role / "meta/argument_specs.yml").read_text(encoding="utf-8")
    # libyaml's is ten times faster, where PyYAML was built with it.
    specs = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return dict(specs["argument_specs"]["main"]["options"])


def misspelt(given: Iterable[str], options: Mapping[str, Any]) -> list[str]:
    """A sentence for each name that is no setting, with the nearest one that is."""
    return [f"{name} is not a setting{nearest(name, options)}" for name in sorted(given) if name not in options]


def user_mistakes(users: Any, where: str) -> list[str]:
    """What is wrong with users and their passwords, of which none is told."""
    if not isinstance(users, Mapping):
        return [f"{where}: expected a mapping of user name to password."]
    found = []
    for user, password in sorted((str(user), str(password)) for user, password in users.items()):
        if not user or ":" in user or re.search(r"\s", user):
            found.append(f"{where}: {user!r} may hold neither a colon nor spaces.")
        if len(password) < _SHORTEST_PASSWORD:
            found.append(f"{where}: the password of {user!r} is shorter than {_SHORTEST_PASSWORD} characters.")
    return found
