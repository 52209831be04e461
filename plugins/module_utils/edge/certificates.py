# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates and keys: made, read and held against each other with the host's openssl."""

from __future__ import annotations

import hashlib
import re
import ssl
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ..errors import UserError

_PLACEHOLDER_DAYS = 3650
_OPENSSL_SECONDS = 60


@dataclass(frozen=True)
class Facts:
    """What a certificate says of itself."""

    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    issuer: str
    self_signed: bool

    def life_left(self, now: datetime) -> float:
        """Share of its life that lies ahead: 1 when new, 0 or less when expired."""
        whole = (self.not_after - self.not_before).total_seconds()
        return (self.not_after - now).total_seconds() / whole if whole > 0 else 0.0

    def covers(self, domain: str) -> bool:
        wildcard = "*." + domain.partition(".")[2]
        return domain in self.names or wildcard in self.names


def openssl(*argv: str, stdin: bytes = b"") -> bytes:
    """Run openssl; keys go in and out through pipes, never through the command line.

    Raises:
        UserError: It is missing, or does not like what it was given.
    """
    try:
        done = subprocess.run(
            ["openssl", *argv], input=stdin, capture_output=True, check=False, timeout=_OPENSSL_SECONDS
        )
    except FileNotFoundError:
        raise UserError("openssl is not installed on this host; install the package openssl.")
    except subprocess.TimeoutExpired:
        raise UserError(f"openssl {argv[0]} did not finish within {_OPENSSL_SECONDS} s.")
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(f"openssl {argv[0]} failed: {last[-1] if last else 'no message'}")
    return done.stdout


def facts(chain: bytes) -> Facts:
    """Read the first certificate of a chain.

    Raises:
        UserError: It is no certificate.
    """
    shown = ("-subject", "-issuer", "-dates", "-ext", "subjectAltName")
    return parse_facts(
        openssl("x509", "-noout", *shown, "-nameopt", "RFC2253", "-dateopt", "iso_8601", stdin=chain).decode()
    )


def parse_facts(text: str) -> Facts:
    """Read what `openssl x509` printed."""
    fields = dict(row.split("=", 1) for row in text.splitlines() if re.match(r"\w+=", row))
    return Facts(
        names=tuple(name.lower() for name in re.findall(r"DNS:([^,\s]+)", text)),
        not_before=_moment(fields["notBefore"]),
        not_after=_moment(fields["notAfter"]),
        issuer=fields["issuer"].strip(),
        self_signed=fields["subject"] == fields["issuer"],
    )


def _moment(text: str) -> datetime:
    return datetime.strptime(text.strip(), "%Y-%m-%d %H:%M:%SZ").replace(tzinfo=timezone.utc)


def der(chain: bytes) -> bytes:
    """A chain's first certificate."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(begin + chain.decode("ascii").partition(begin)[2].partition(end)[0] + end)


def fingerprint(chain: bytes) -> str:
    """SHA-256 of a chain's first certificate."""
    return hashlib.sha256(der(chain)).hexdigest()


def check_pair(chain: bytes, key: bytes) -> None:
    """The key belongs to the certificate.

    Raises:
        UserError: It does not, or one of the two is no such thing.
    """
    with tempfile.TemporaryDirectory() as folder:
        # Directory and files are the process's own: mkdtemp makes mode 0700.
        chain_file, key_file = Path(folder, "chain.pem"), Path(folder, "key.pem")
        chain_file.write_bytes(chain)
        key_file.write_bytes(key)
        try:
            # A password would be asked for on the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain_file, key_file, lambda: "")
        except ssl.SSLError as error:
            if "MISMATCH" in str(error):
                raise UserError("the private key does not belong to the certificate.")
            raise UserError("certificate or private key cannot be read; both must be PEM, the key unencrypted.")


def check_own(chain: bytes, key: bytes, domains: Iterable[str], now: datetime) -> Facts:
    """A user's own certificate can serve these domains today.

    Raises:
        UserError: Why it cannot.
    """
    setting = "nginx_certbot_own_certificate"
    if not chain.strip() or not key.strip():
        raise UserError(f"{setting} needs both certificate and key; at least one is empty.")
    try:
        check_pair(chain, key)
        found = facts(chain)
    except UserError as error:
        raise UserError(f"{setting}: {error}")
    if found.not_after <= now:
        raise UserError(f"{setting}: the certificate expired on {found.not_after:%Y-%m-%d}; bring a new one.")
    if found.not_before > now:
        raise UserError(f"{setting}: the certificate is valid only from {found.not_before:%Y-%m-%d} on.")
    missing = [domain for domain in domains if not found.covers(domain)]
    if missing:
        raise UserError(
            f"{setting}: the certificate does not cover {', '.join(missing)}; "
            f"it is for {', '.join(found.names) or 'no name at all'}."
        )
    return found


def self_signed(domains: tuple[str, ...]) -> tuple[bytes, bytes]:
    """A certificate that nginx can start with until the real one comes: chain and key."""
    names = ",".join(f"DNS:{domain}" for domain in domains)
    key = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    with tempfile.NamedTemporaryFile() as key_file:
        key_file.write(key)
        key_file.flush()
        # The common name holds at most 64 characters, a domain up to 253.
        chain = openssl(
            *("req", "-x509", "-new", "-key", key_file.name, "-sha256", "-days", str(_PLACEHOLDER_DAYS)),
            *("-subj", "/CN=sluice placeholder", "-addext", f"subjectAltName={names}"),
        )
    return chain, key
