# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a registry is told who asks: its challenges, the tokens that answer them, and whose login is whose."""

from __future__ import annotations

import base64
import re
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ..docker.logins import login_of
from ..errors import PaperError, WireError
from .papers import LARGEST_PAPER, read_paper
from .reference import Reference
from .wire import Wire

# One challenge's scheme or one of its parameters; several challenges may stand in one header.
_PART = re.compile(
    r'(?P<name>[A-Za-z0-9._~+-]+)(?:[ \t]*=[ \t]*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s,"]+)))?', re.ASCII
)
_LONGEST_CHALLENGE = 8192


class Challenge(NamedTuple):
    """What a registry asks for: `bearer` or `basic`, in lower case, with its parameters."""

    scheme: str
    fields: dict[str, str]


def challenges(headers: list[str]) -> list[Challenge]:
    """All challenges of all WWW-Authenticate headers."""
    found: list[Challenge] = []
    for header in headers:
        for part in _PART.finditer(header[:_LONGEST_CHALLENGE]):
            value = part["quoted"] if part["quoted"] is not None else part["plain"]
            if value is None:
                found.append(Challenge(part["name"].lower(), {}))
            elif found:
                found[-1].fields[part["name"].lower()] = value
    return found


class Login:
    """Answers challenges. A user and password are for one registry, and no other ever sees them.

    The login that is given is for one registry; where none is given, those count that Docker has of its own.
    """

    def __init__(self, wire: Wire, registry: str, user: str | None, password: str | None, scheme: str) -> None:
        self._wire = wire
        self._given = bool(user)
        self._basics = {registry: _basic(user, password or "")} if user else {}
        self._scheme = scheme

    def is_for(self, reference: Reference) -> bool:
        """Whether there is a login for the registry of `reference`."""
        return bool(self._basic_for(reference.registry))

    def _basic_for(self, registry: str) -> str:
        if registry not in self._basics and not self._given:
            found = login_of(registry)
            self._basics[registry] = _basic(*found) if found else ""
        return self._basics.get(registry, "")

    def answer(self, reference: Reference, headers: list[str]) -> dict[str, str]:
        """The request header that answers a challenge: a token where one is issued, else the login; else nothing."""
        asked = challenges(headers)
        for challenge in asked:
            if challenge.scheme == "bearer" and (token := self._token(reference, challenge.fields)):
                return {"Authorization": f"Bearer {token}"}
        if self.is_for(reference) and any(challenge.scheme == "basic" for challenge in asked):
            return {"Authorization": f"Basic {self._basic_for(reference.registry)}"}
        return {}

    def _token(self, reference: Reference, fields: dict[str, str]) -> str:
        realm = fields.get("realm", "")
        # A login never goes over an open line because a challenge says so.
        if not realm.startswith(f"{self._scheme}://"):
            return ""
        query = {"scope": f"repository:{reference.repository}:pull"}
        if fields.get("service"):
            query["service"] = fields["service"]
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
        basic = self._basic_for(reference.registry)
        known = {"Authorization": f"Basic {basic}"} if basic else {}
        try:
            answer = self._wire.get(url, known)
            paper: dict[str, Any] = read_paper(answer.body(LARGEST_PAPER)) if answer.status == 200 else {}
        except (WireError, PaperError):
            return ""
        token = paper.get("token") or paper.get("access_token")
        # What is no printable text cannot stand in a header.
        return token if isinstance(token, str) and token.isascii() and token.isprintable() else ""


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()
