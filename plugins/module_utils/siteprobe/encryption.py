# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of the encryption: chain, names, key, life, protocols, ciphers."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from . import caa, certificate
from .model import Check, Found, Once, Target, reason
from .wire import (
    secure,
    strict_context,
    trusting_context,
)

VERSIONS: tuple[tuple[str, ssl.TLSVersion], ...] = (
    ("TLS 1.0", ssl.TLSVersion.TLSv1),
    ("TLS 1.1", ssl.TLSVersion.TLSv1_1),
    ("TLS 1.2", ssl.TLSVersion.TLSv1_2),
    ("TLS 1.3", ssl.TLSVersion.TLSv1_3),
)
_EXPIRED = 10
_FORWARD_SECRET = ("kx-ecdhe", "kx-dhe", "kx-any")
_BROKEN = ("null", "rc4", "des", "idea", "rc2", "seed")
_CIPHERS_TOLD = 40


def checks(target: Target, min_days: float) -> list[Check]:
    """What a handshake tells."""

    served = Once(lambda: certificate.read(certificate_served(target)))

    def of_certificate(judge: Callable[[certificate.Facts], Found]) -> Callable[[], Found]:
        return lambda: judge(served())

    names = (target.domain, *target.aliases)
    return [
        Check("tls.chain", "Certificate chain is trusted", lambda: _chain(target, served)),
        Check(
            "tls.names",
            "Certificate covers the site's names",
            of_certificate(lambda facts: certificate.judge_names(facts, names)),
        ),
        Check("tls.expiry", "Certificate's life", lambda: _life(target, served(), min_days)),
        Check("tls.key", "Certificate's key", of_certificate(certificate.judge_key)),
        Check("tls.logged", "Certificate is in public logs", lambda: _logged(target, served)),
        Check("tls.caa", "DNS lets the CA issue (CAA)", lambda: caa.look(target, served)),
        Check("tls.protocols", "Protocols offered", lambda: _protocols(target)),
        Check("tls.ciphers", "Ciphers offered", lambda: _ciphers(target)),
    ]


def certificate_served(target: Target) -> bytes:
    """The site's certificate in DER, whoever signed it."""
    with secure(target, trusting_context()) as connection:
        return connection.getpeercert(binary_form=True) or b""


def _chain(target: Target, served: Once[certificate.Facts]) -> Found:
    """The chain alone: dates, names and keys are checks of their own."""
    trusted = target.ca_file or "the system's certificate authorities"
    context = strict_context(target, times=False, names=False)
    context.set_ciphers("DEFAULT:@SECLEVEL=1")
    try:
        with secure(target, context):
            return Found("pass", measured="trusted", limit="trusted", evidence=(f"by {trusted}",))
    except ssl.SSLCertVerificationError as error:
        return Found(
            "fail",
            measured=error.verify_message,
            limit="trusted",
            evidence=(
                f"judged by {trusted}",
                f"issued by {served().issuer}",
            ),
            advice=(
                "serve the full chain (fullchain.pem); for a private or test CA set verify_ca_file to its root",
                "a placeholder certificate means that the CA has not issued one yet: see its last error on the host",
            ),
        )


def _life(target: Target, facts: certificate.Facts, min_days: float) -> Found:
    found = certificate.judge_life(facts, datetime.now(timezone.utc), min_days)
    if found.status == "fail":
        return found
    try:
        with secure(target, strict_context(target, names=False)):
            return found
    except ssl.SSLCertVerificationError as error:
        if error.verify_code != _EXPIRED:
            return found
        return Found("fail", measured="another certificate of the chain has expired", limit=found.limit)


def _logged(target: Target, served: Once[certificate.Facts]) -> Found:
    if target.ca_file:
        return Found("skip", evidence=("certificates of a private authority (ca_file) are in no public log",))
    return certificate.judge_log_entries(served())


def _protocols(target: Target) -> Found:
    offered, untold = [], []
    for name, version in VERSIONS:
        context = trusting_context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        try:
            with secure(target, context):
                offered.append(name)
        except ssl.SSLError as error:
            if error.reason in ("NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE"):
                untold.append(name)
        except ConnectionError:
            continue
    old = [name for name in offered if name in ("TLS 1.0", "TLS 1.1")]
    modern = "TLS 1.3" in offered
    return Found(
        "fail" if old or not offered else "pass" if modern else "warn",
        measured=offered or "none",
        limit="TLS 1.2 and 1.3",
        evidence=(f"this machine's OpenSSL cannot speak {', '.join(untold)}",) if untold else (),
        advice=() if modern and not old else ("offer TLS 1.2 and 1.3 only",),
    )


def grade(cipher: Mapping[str, Any]) -> str:
    """`good`, `old` or `broken`, of a cipher as ssl.SSLContext.get_ciphers describes it."""
    symmetric = str(cipher.get("symmetric") or "null").lower()
    if symmetric.startswith(_BROKEN) or cipher.get("auth") == "auth-null" or cipher.get("strength_bits", 0) < 128:
        return "broken"
    return "good" if cipher.get("aead") and cipher.get("kea") in _FORWARD_SECRET else "old"


def _ciphers(target: Target) -> Found:
    """What TLS 1.2 offers; the ciphers of TLS 1.3 are all good."""
    context = trusting_context()
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    known = [cipher for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
    # One refusal ends the search, so ask for the bad ones apart from the many good ones.
    bad = _accepted(target, [c["name"] for c in known if grade(c) != "good"])
    good = _accepted(target, [c["name"] for c in known if grade(c) == "good"])
    grades = {cipher["name"]: grade(cipher) for cipher in known}
    broken = [name for name in bad if grades[name] == "broken"]
    offered = f"{len(good)} good, {len(bad) - len(broken)} old, {len(broken)} broken"
    return Found(
        "fail" if broken else "warn" if bad else "pass",
        measured=offered if good or bad else "TLS 1.3 only",
        limit="forward secret and authenticated",
        evidence=tuple(f"{grades[name]}: {name}" for name in [*bad, *good]),
        advice=("offer ECDHE with AES-GCM or ChaCha20 only",) if bad else (),
    )


def _accepted(target: Target, names: Iterable[str]) -> list[str]:
    """Of these ciphers, those that the server agrees to, in its order."""
    left: list[str] = list(names)
    accepted: list[str] = []
    while left and len(accepted) < _CIPHERS_TOLD:
        context = trusting_context()
        context.set_ciphers(":".join([*left, "@SECLEVEL=0"]))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        # Static RSA and CBC belong to versions that this machine's OpenSSL would not offer by itself.
        context.minimum_version = ssl.TLSVersion.TLSv1
        try:
            with secure(target, context) as connection:
                chosen = connection.cipher()
        except (ssl.SSLError, ConnectionError):
            break
        if not chosen or chosen[0] not in left:
            break
        accepted.append(chosen[0])
        left.remove(chosen[0])
    return accepted


def trusted_for_secrets(target: Target) -> str:
    """Why no secret may be sent to the site; empty when one may."""
    try:
        with secure(target, strict_context(target)):
            return ""
    except ssl.SSLCertVerificationError as error:
        return reason(error)
