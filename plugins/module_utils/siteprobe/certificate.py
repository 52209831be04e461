# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates: what one says, and whether that is good enough."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ..errors import UserError
from ..results import Status
from .model import Found

# ACME clients renew with a third of the life left; with less than a quarter, renewals fail.
_RENEWAL_OVERDUE = 0.25
_ALMOST_OVER = 0.1
# What Chromium and Safari ask of a certificate that is valid for less than 180 days.
_LOG_ENTRIES = 2
_DATE = "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True)
class Facts:
    """A certificate's content, as far as it is judged."""

    names: tuple[str, ...]
    issuer: str
    authority: str
    """The organization that issued it."""
    key: str
    key_bits: int
    signature: str
    not_before: datetime
    not_after: datetime
    log_entries: int = 0
    """Signed timestamps of certificate transparency logs that it brings along."""

    @property
    def life(self) -> timedelta:
        return self.not_after - self.not_before


def read(der: bytes) -> Facts:
    """The facts of a certificate in DER.

    Raises:
        UserError: The cryptography package is missing, or the certificate is malformed.
    """
    try:
        return _read(der)
    except ImportError:
        raise UserError("the Python package cryptography is missing where the probe runs: pip install cryptography")
    except Exception:
        # cryptography has errors of its own for each way in which a certificate is odd.
        raise UserError(
            "the certificate is malformed, or of a kind that cryptography does not know here:"
            " its names, dates or key cannot be read"
        )


def _read(der: bytes) -> Facts:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

    certificate = x509.load_der_x509_certificate(der)
    key = certificate.public_key()
    kinds = ((rsa.RSAPublicKey, "RSA"), (ec.EllipticCurvePublicKey, "ECDSA"))
    kind = next((name for type_, name in kinds if isinstance(key, type_)), type(key).__name__)
    if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        kind, bits = "EdDSA", 256
    else:
        bits = getattr(key, "key_size", 0)
    digest = certificate.signature_hash_algorithm
    return Facts(
        names=_names(certificate, x509),
        issuer=certificate.issuer.rfc4514_string(),
        authority=_authority(certificate, x509),
        key=kind,
        key_bits=bits,
        signature=digest.name if digest else "none",
        not_before=_time(certificate, "not_valid_before"),
        not_after=_time(certificate, "not_valid_after"),
        log_entries=_log_entries(certificate, x509),
    )


def public_key(der: bytes) -> bytes:
    """The public key of a certificate in DER, as a browser's lists of keys hold it."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_der_x509_certificate(der).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _names(certificate: Any, x509: Any) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    addresses = (str(address) for address in extension.value.get_values_for_type(x509.IPAddress))
    return (*extension.value.get_values_for_type(x509.DNSName), *addresses)


def _authority(certificate: Any, x509: Any) -> str:
    found = certificate.issuer.get_attributes_for_oid(x509.oid.NameOID.ORGANIZATION_NAME)
    return str(found[0].value) if found else ""


def _log_entries(certificate: Any, x509: Any) -> int:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps)
    except x509.ExtensionNotFound:
        return 0
    return len(extension.value)


def _time(certificate: Any, field: str) -> datetime:
    # Debian 12's cryptography knows only the form without a time zone.
    aware: datetime | None = getattr(certificate, f"{field}_utc", None)
    return aware or getattr(certificate, field).replace(tzinfo=timezone.utc)


def covers(names: Iterable[str], wanted: str) -> bool:
    """Whether a certificate for these names is one for the wanted name; a wildcard stands for one label."""
    wanted = wanted.lower().rstrip(".")
    parent = wanted.partition(".")[2]
    return any(name.lower() == wanted or (name.startswith("*.") and name[2:].lower() == parent) for name in names)


def judge_names(facts: Facts, wanted: Iterable[str]) -> Found:
    wanted = tuple(wanted)
    missing = [name for name in wanted if not covers(facts.names, name)]
    return Found(
        "fail" if missing else "pass",
        measured=list(facts.names) or "no names",
        limit=list(wanted),
        evidence=(f"not covered: {', '.join(missing)}",) if missing else (),
        advice=("issue the certificate for every name of the site",) if missing else (),
    )


def judge_key(facts: Facts) -> Found:
    least = 2048 if facts.key == "RSA" else 256
    weak_signature = facts.signature in ("md5", "sha1")
    good = facts.key_bits >= least and not weak_signature
    return Found(
        "pass" if good else "fail",
        measured=f"{facts.key} {facts.key_bits}, {facts.signature}",
        limit="RSA 2048 or ECDSA 256, SHA-256",
        advice=() if good else ("issue a certificate with an ECDSA P-256 key",),
    )


def judge_log_entries(facts: Facts) -> Found:
    """Advice and no verdict: a server may hand them out beside the certificate as well."""
    enough = facts.log_entries >= _LOG_ENTRIES
    return Found(
        "pass",
        measured=f"{facts.log_entries} in the certificate",
        limit=f"{_LOG_ENTRIES} (advice)",
        advice=()
        if enough
        else ("browsers refuse a public certificate without entries in two logs: have it issued by a CA that logs it",),
    )


def judge_life(facts: Facts, now: datetime, min_days: float = 0) -> Found:
    """Fails in the last tenth of the life, or below the days asked for; warns when a renewal is overdue."""
    left = facts.not_after - now
    days = left / timedelta(days=1)
    share = left / facts.life if facts.life else 0
    early = now < facts.not_before
    failed = early or share < _ALMOST_OVER or days < min_days
    status: Status = "fail" if failed else "warn" if share < _RENEWAL_OVERDUE else "pass"
    least = max(min_days, _RENEWAL_OVERDUE * (facts.life / timedelta(days=1)))
    return Found(
        status,
        measured="not valid yet"
        if early
        else f"{days:.1f} days left"
        if days >= 0
        else f"expired {-days:.1f} days ago",
        limit=f"{least:.1f} days left",
        evidence=(f"valid from {facts.not_before:{_DATE}} to {facts.not_after:{_DATE}}", f"issued by {facts.issuer}"),
        advice=() if status == "pass" else ("see why it was not renewed: the renewal timer's log on the host tells",),
        details={
            "certificate": {
                "not_before": facts.not_before.isoformat(),
                "not_after": facts.not_after.isoformat(),
                "now": now.isoformat(),
            }
        },
    )
