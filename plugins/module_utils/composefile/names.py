# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a variable's name or value says that it holds a secret, and names that the description takes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from itertools import pairwise

_WORDS = re.compile(r"[A-Z0-9]+")
_SECRET = re.compile(
    r"(PASS|PASSWD|PASSWORDS?|PASSPHRASE|PWD|PW|SECRETS?|TOKEN|CREDENTIALS?|SALT|PEPPER|APIKEY|PRIVKEY|SECRETKEY)[0-9]*"
    r"|[A-Z0-9]+(PASS|PASSWORD|SECRET|APIKEY|SECRETKEY|AUTHTOKEN)"
)
# The word before KEY that makes it one that is kept.
_KEYS = frozenset(
    (
        *("ACCESS", "ANON", "API", "APP", "AUTH", "AWS", "COOKIE", "CRYPT", "CRYPTO", "CRYPTOR", "DETERMINISTIC"),
        *("DJANGO", "ENC", "ENCRYPT", "ENCRYPTION", "FERNET", "FLASK", "HASH", "HMAC", "JWT", "LARAVEL", "LICENSE"),
        *("MASTER", "OPENAI", "OPENSSL", "PRIMARY", "PRIVATE", "RAILS", "RESEND", "ROLE", "SENDGRID", "SERVICE"),
        *("SESSION", "SHARED", "SIGN", "SIGNING", "STRIPE", "WEBHOOK"),
    )
)
# Beginnings and ends that speak of a secret without being one.
_PUBLIC = frozenset(("ALLOW", "DISABLE", "ENABLE", "PUBLIC", "REACT", "REQUIRE", "RESET", "SHOW", "USE", "VITE"))
_ABOUT = frozenset(
    (
        *("ALGORITHM", "AUDIENCE", "COST", "DAYS", "DIR", "DISABLED", "DOMAIN", "ENABLED", "EXPIRATION", "EXPIRE"),
        *("EXPIRES", "EXPIRY", "FIELD", "FILE", "FORMAT", "HEADER", "HOST", "HOURS", "ID", "ISSUER", "LENGTH"),
        *("LIFETIME", "MAX", "METHOD", "MIN", "MINUTES", "NAME", "PATH", "POLICY", "PORT", "PREFIX", "PUBLIC"),
        *("REQUIRED", "RESET", "ROUNDS", "SECONDS", "SOURCE", "SUFFIX", "TIMEOUT", "TTL", "TYPE", "URI", "URL"),
        *("VALIDITY", "VERSION"),
    )
)
# Whose secret it is: that of a party outside, which no random value takes the place of.
_OUTSIDE = frozenset(
    (
        *(
            "ANTHROPIC",
            "APPLE",
            "AWS",
            "AZURE",
            "BOT",
            "CAPTCHA",
            "CF",
            "CLIENT",
            "CLOUDFLARE",
            "CLOUDINARY",
            "DISCORD",
        ),
        *("EMAIL", "FACEBOOK", "FIREBASE", "GCP", "GEMINI", "GITHUB", "GITLAB", "GOOGLE", "GROQ", "HCAPTCHA", "HF"),
        *("LDAP", "LICENSE", "LINKEDIN", "MAIL", "MAILER", "MAILGUN", "MAXMIND", "MICROSOFT", "NGROK", "OAUTH", "OIDC"),
        *("OPENAI", "OPENROUTER", "PAYPAL", "POSTHOG", "POSTMARK", "PUSHOVER", "RECAPTCHA", "REGISTRY", "RESEND", "S3"),
        *(
            "SENDGRID",
            "SENTRY",
            "SLACK",
            "SMS",
            "SMTP",
            "STRIPE",
            "TELEGRAM",
            "TUNNEL",
            "TURNSTILE",
            "TWILIO",
            "TWITTER",
        ),
        *("UNSPLASH", "VK", "WEBHOOK", "YANDEX", "ZOOM"),
    )
)
# A switch, a small number or a path is no secret, whatever its name.
_PLAIN = re.compile(r"true|false|yes|no|on|off|none|null|[0-9]{1,3}|/[\w./-]+", re.IGNORECASE)
_LOGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^:/?#@\s]*:([^@/?#\s]+)@", re.IGNORECASE)
_LONGEST = 24


def secret_name(name: str) -> bool:
    """Whether what bears the name is a secret."""
    words = _WORDS.findall(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper())
    if not words or words[0] in _PUBLIC or words[:2] in (["NEXT", "PUBLIC"], ["NUXT", "PUBLIC"], ["EXPO", "PUBLIC"]):
        return False
    if words[-1] in _ABOUT or words[-2:] == ["PUBLIC", "KEY"]:
        return False
    if any(_SECRET.fullmatch(word) for word in words):
        return True
    return any(word in _KEYS and after.rstrip("0123456789") in ("KEY", "KEYS") for word, after in pairwise(words))


def foreign_secret(name: str) -> bool:
    """Whether only a party outside can give it, such as a mail account's password."""
    words = _WORDS.findall(name.upper())
    return bool(_OUTSIDE.intersection(words)) or words[-2:] == ["API", "KEY"]


def secret_value(name: str, value: str) -> bool:
    """Whether a variable with this value is to be kept apart, by its name or by a password in an address."""
    if not value.strip():
        return False
    return bool(login_password(value)) or (secret_name(name) and not _PLAIN.fullmatch(value))


def login_password(value: str) -> str:
    """The password in a connection URL; empty where there is none."""
    match = _LOGIN.search(value)
    return match[1] if match else ""


def service_key(name: str, taken: Container[str]) -> str:
    """A name as the description takes it: a DNS label of at most 24 characters that begins with a letter."""
    key = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "service"
    if not key[0].isalpha():
        key = f"s-{key}"
    if len(key) > _LONGEST or key in taken:
        digest = hashlib.sha256(name.encode()).hexdigest()[:4]
        key = f"{key[: _LONGEST - 5].rstrip('-')}-{digest}"
    return key


def identifier(name: str) -> str:
    """A name as a secret or a variable takes it."""
    found = re.sub(r"\W", "_", name, flags=re.ASCII)
    return found if not found[:1].isdigit() else f"_{found}"
