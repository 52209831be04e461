# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a name, or a value by its form, promises: whether a secret is behind it, and whose."""

from __future__ import annotations

import re
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
        *("DJANGO", "ENC", "ENCRYPT", "ENCRYPTION", "FERNET", "FLASK", "HASH", "HMAC", "JWT", "LARAVEL", "LICENCE"),
        *("LICENSE", "MASTER", "OPENAI", "OPENSSL", "PRIVATE", "RAILS", "RESEND", "ROLE", "SENDGRID"),
        *("SERVICE", "SESSION", "SHARED", "SIGN", "SIGNING", "STRIPE", "WEBHOOK"),
    )
)
# Beginnings and ends that speak of a secret without being one.
_ASIDE = frozenset(("ALLOW", "DISABLE", "ENABLE", "REACT", "REQUIRE", "RESET", "SHOW", "USE", "VITE"))
_ABOUT = frozenset(
    (
        *("AGE", "ALGORITHM", "AUDIENCE", "COST", "COUNT", "DAYS", "DIR", "DISABLED", "DOMAIN", "DUMMY", "DURATION"),
        *("ENABLED", "ENDPOINT", "EXPIRATION", "EXPIRE", "EXPIRES", "EXPIRY", "FIELD", "FILE", "FORMAT", "HEADER"),
        *("HOST", "HOURS", "ID", "INTERVAL", "ISSUER", "LENGTH", "LIFETIME", "LIMIT", "MAX", "METHOD", "MIN"),
        *("MINUTES", "NAME", "PATH", "POLICY", "PORT", "PREFIX", "REQUIRED", "RESET", "ROUNDS", "SECONDS", "SIZE"),
        *("SOURCE", "SUFFIX", "TIMEOUT", "TTL", "TYPE", "URI", "URL", "VALIDITY", "VERSION"),
    )
)
# Anywhere in a name that is masked: too much is no harm there.
_MENTIONED = re.compile(
    r"SECRET|PASSW(OR)?D|PASSPHRASE|TOKEN|API_?KEY|PRIVATE|CREDENTIAL|ENCRYPTION|(^|_)KEY$|_DSN$|DATABASE_URL$"
)
# Whose secret it is: that of a party outside, which no random value takes the place of.
_OUTSIDE = frozenset(
    (
        *("ANTHROPIC", "APPLE", "AWS", "AZURE", "BOT", "CAPTCHA", "CF", "CLIENT", "CLOUDFLARE", "CLOUDINARY"),
        *("DISCORD", "EMAIL", "FACEBOOK", "FIREBASE", "GCP", "GEMINI", "GITHUB", "GITLAB", "GOOGLE", "GROQ"),
        *("HCAPTCHA", "HF", "LDAP", "LICENSE", "LINKEDIN", "MAIL", "MAILER", "MAILGUN", "MAXMIND", "MICROSOFT"),
        *("NGROK", "OAUTH", "OIDC", "OPENAI", "OPENROUTER", "PAYPAL", "POSTHOG", "POSTMARK", "PUSHOVER"),
        *("RECAPTCHA", "REGISTRY", "RESEND", "S3", "SENDGRID", "SENTRY", "SLACK", "SMS", "SMTP", "STRIPE"),
        *("TELEGRAM", "TUNNEL", "TURNSTILE", "TWILIO", "TWITTER", "UNSPLASH", "VK", "WEBHOOK", "YANDEX"),
        *("ZOOM"),
    )
)
# A switch, a small number or a path is no secret, whatever its name.
_PLAIN = re.compile(r"true|false|yes|no|on|off|none|null|[0-9]{1,3}|/[\w./-]+", re.IGNORECASE)
_LOGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^:/?#@\s]*:([^@/?#\s]+)@", re.IGNORECASE)


def secret_name(name: str) -> bool:
    """Whether what bears the name is a secret: no setting that speaks of one, and no public half of it."""
    words = _words(name)
    if not words or words == ["PWD"] or words[0] in _ASIDE or "PUBLIC" in words:
        return False
    if words[-1] in _ABOUT or words[-2:] == ["EXPIRES", "IN"]:
        return False
    if any(_SECRET.fullmatch(word) for word in words):
        return True
    if words[-1] == "KEY" and "ENCRYPTION" in words:
        return True
    return any(word in _KEYS and after.rstrip("0123456789") in ("KEY", "KEYS") for word, after in pairwise(words))


def mentions_secret(name: str) -> bool:
    """Whether a name speaks of a secret at all, for who masks what may be one."""
    return secret_name(name) or bool(_MENTIONED.search("_".join(_words(name))))


def _words(name: str) -> list[str]:
    return _WORDS.findall(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper())


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
