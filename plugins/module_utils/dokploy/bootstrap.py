# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The first hour of a Dokploy server: its administrator, and an API key that lasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import DokployError, UserError
from .client import Client

# Signing up asks an external service for the public address; without egress that takes over a minute.
SIGN_UP_TIMEOUT = 150


@dataclass(frozen=True)
class Administrator:
    """Who owns the server."""

    email: str
    password: str
    name: str
    last_name: str


def sign_up(client: Client, who: Administrator) -> bool:
    """Create the first administrator.

    Returns:
        Whether there was none before.

    Raises:
        UserError: The server refused, for example a weak password.
    """
    try:
        client.post(
            "auth/sign-up/email",
            timeout=SIGN_UP_TIMEOUT,
            name=who.name,
            lastName=who.last_name,
            email=who.email,
            password=who.password,
        )
    except DokployError as error:
        if error.status is None or "already" in str(error).lower():
            # Too slow an answer may still have created it: signing in tells.
            return False
        raise
    return True


def sign_in(client: Client, who: Administrator) -> None:
    """Open a session, which the client's cookies then carry.

    Raises:
        UserError: The server refused, or wants a second factor.
    """
    # Signing up left a session, and with its cookie the server wants an Origin, as of a browser.
    client.forget_session()
    try:
        answer: Any = client.post("auth/sign-in/email", email=who.email, password=who.password)
    except DokployError as error:
        if error.status == 401:
            raise UserError(
                "Dokploy refused admin_email and admin_password; the server has an administrator already: "
                "use that one's, or make an API key by hand under Profile"
            )
        if error.status == 429:
            raise UserError("Dokploy takes three attempts to sign in per 10 s; wait and run again")
        raise
    if isinstance(answer, dict) and answer.get("twoFactorRedirect"):
        raise UserError(
            "the administrator of admin_email signs in with two factors, which cannot be done here; "
            "make an API key by hand under Profile, with rate limiting off, and set it as api_key"
        )


def create_api_key(client: Client, name: str) -> str:
    """A key without the default rate limit, under which it would die after five calls."""
    organizations = client.get("organization.all") or []
    if not organizations:
        raise UserError("the administrator belongs to no organization, so no API key can be made; make one by hand")
    answer: Any = client.post(
        "user.createApiKey",
        name=name[:32],
        metadata={"organizationId": organizations[0]["id"]},
        rateLimitEnabled=False,
    )
    key = str((answer or {}).get("key") or "")
    if not key:
        raise UserError("Dokploy made an API key but did not show it; delete it under Profile and run again")
    client.redact.add([key])
    return key
