# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes known secrets out of text that a person is about to read."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from .names import mentions_secret

MASK = "[redacted]"

# Shorter values stand in too many harmless words to be taken out on their own.
MIN_LENGTH = 6

_URL_CREDENTIALS = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")
_NOTHING = re.compile(r"(?!)")
_BASE64_RUN = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
# A value that is a reference or a mounted file is none to hide.
# Spaces and tabs, not line breaks: a run of blank lines is read once.
_ASSIGNMENT = re.compile(
    r"(?m)^([ \t]*(?:- +)?[\"']?([A-Za-z_]\w*)[\"']?[ \t]*[:=] *)"
    r"(?![\"']?(?:\$\{|/run/secrets/))\S.*$"
)
# One that was cut off goes on to the end of the text.
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r".*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)


def spellings(secret: str) -> set[str]:
    """The forms in which a value turns up in logs and error messages."""
    raw = secret.encode()
    return {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        raw.hex(),
        secret.replace("'", "'\\''"),
        secret.replace("$", "$$"),
        # As Dokploy writes its .env for Compose.
        re.sub(r'(["\\$])', r"\\\1", secret),
    }


def mask_private_keys(text: str, mask: str = MASK) -> str:
    """A text without private keys, whoever they belong to: whole PEM blocks, with line breaks or `\\n`."""
    return _PRIVATE_KEY.sub(lambda _: mask, text)


def mask_assignments(text: str) -> str:
    """A Compose file or the like without the values of variables whose names say that they are secret."""
    text = mask_private_keys(text)
    return _ASSIGNMENT.sub(lambda m: f"{m[1]}{MASK}" if mentions_secret(m[2]) else m[0], text)


class Redactor:
    """Replaces secrets, in any spelling, and whole base64 runs that hide one (Dokploy prints its .env so)."""

    def __init__(self, secrets: Iterable[str] = (), mask: str = MASK, shortest: int = MIN_LENGTH) -> None:
        self._mask, self._shortest = mask, shortest
        self._plain: set[str] = set()
        # Matches nothing until there are secrets.
        self._pattern = _NOTHING
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Know these secrets too."""
        for secret in secrets:
            # Multi-line values are printed, and found, line by line.
            self._plain.update(s for s in [secret, *secret.splitlines()] if len(s) >= self._shortest)
        forms = {form for secret in self._plain for form in spellings(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else _NOTHING

    def __call__(self, text: str) -> str:
        """The text without a secret's bytes, and without any private key."""
        text = _URL_CREDENTIALS.sub(self._mask_text, mask_private_keys(text, self._mask))
        # Whole runs first: masking a part of one would leave the rest of what it hides.
        text = _BASE64_RUN.sub(self._mask_hiding_run, text)
        return self._pattern.sub(self._mask_text, text)

    def _mask_text(self, _match: re.Match[str]) -> str:
        return self._mask

    def _mask_hiding_run(self, match: re.Match[str]) -> str:
        run = match.group().rstrip("=")
        try:
            decoded = base64.b64decode(run.replace("-", "+").replace("_", "/") + "=" * (-len(run) % 4))
        except (binascii.Error, ValueError):
            return match.group()
        plain = decoded.decode("utf-8", "replace")
        hidden = self._pattern.search(plain) or _PRIVATE_KEY.search(plain)
        return self._mask if hidden else match.group()
