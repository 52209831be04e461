# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether DNS lets the CA issue the site's certificate again (CAA, RFC 8659)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import NameServerError
from . import certificate, nameserver
from .model import Found, Once, Target

_KIND = 257
_CRITICAL = 0x80
_KNOWN_TAGS = ("issue", "issuewild", "iodef", "contactemail", "contactphone", "issuemail", "issuevmc")
# What the CAs of ACME call themselves in certificates, and what their domains are in CAA records.
_AUTHORITIES = (
    ("let's encrypt", ("letsencrypt.org",)),
    ("zerossl", ("sectigo.com", "zerossl.com")),
    ("sectigo", ("sectigo.com", "comodoca.com")),
    ("google trust", ("pki.goog",)),
    ("buypass", ("buypass.com", "buypass.no")),
    ("digicert", ("digicert.com",)),
    ("ssl corp", ("ssl.com",)),
    ("actalis", ("actalis.it",)),
    ("globalsign", ("globalsign.com",)),
)


@dataclass(frozen=True)
class Record:
    """One CAA record."""

    critical: bool
    tag: str
    value: str

    @property
    def issuer(self) -> str:
        """The domain of the CA that it names; empty for nobody."""
        return self.value.partition(";")[0].strip().lower()


def look(target: Target, served: Once[certificate.Facts]) -> Found:
    """For each of the site's names, the records that count, and the CA of the certificate that is served."""
    if target.ca_file:
        return Found("skip", evidence=("a private authority (ca_file) does not ask DNS",))
    if target.resolve_to:
        return Found("skip", evidence=("resolve_to is set: DNS was not asked",))
    asked: dict[str, list[Record]] = {}
    deadline = time.monotonic() + target.timeout

    def records(name: str) -> list[Record]:
        if name not in asked:
            left = max(deadline - time.monotonic(), 0.01)
            asked[name] = [read(data) for data in nameserver.ask(name, _KIND, left)]
        return asked[name]

    try:
        found = {name: of_name(name, records) for name in (target.domain, *target.aliases)}
    except NameServerError as error:
        return Found("skip", evidence=(f"the name server did not tell: {error}",))
    return judge(found, served().authority)


def of_name(name: str, records: Callable[[str], list[Record]]) -> tuple[str, list[Record]]:
    """The records that count for a name, and where they are: the first that has any, from it to the top."""
    labels = name.rstrip(".").lower().split(".")
    for start in range(len(labels)):
        owner = ".".join(labels[start:])
        if found := records(owner):
            return owner, found
    return "", []


def read(data: bytes) -> Record:
    """A record from its data.

    Raises:
        NameServerError: It is malformed.
    """
    if len(data) < 2 or not 0 < data[1] <= len(data) - 2:
        raise NameServerError("a CAA record is malformed")
    tag, value = data[2 : 2 + data[1]], data[2 + data[1] :]
    return Record(bool(data[0] & _CRITICAL), tag.decode("latin-1").lower(), value.decode("utf-8", "replace"))


def judge(found: dict[str, tuple[str, list[Record]]], authority: str) -> Found:
    """Records that are found, by the site's names, for the organization that issued the certificate."""
    domains: tuple[str, ...] = next((domains for word, domains in _AUTHORITIES if word in authority.lower()), ())
    told = [f"{owner}: {r.tag} {r.value!r}" for owner, records in dict(found.values()).items() for r in records]
    restricted = {name: records for name, (_, records) in found.items() if _restricts(records)}
    if restricted and not domains:
        return Found("skip", evidence=(*told, f"which of them is {authority or 'the issuer'} is not known here"))
    shut = [name for name, records in restricted.items() if not _allows(records, domains)]
    return Found(
        "fail" if shut else "pass",
        measured=f"{', '.join(shut)}: refused" if shut else "allowed" if restricted else "any CA may",
        limit=f"{domains[0]} may" if domains else "the CA may",
        evidence=tuple(told),
        advice=(f'add the record: CAA 0 issue "{domains[0]}"; without it the next renewal fails',) if shut else (),
    )


def _unknown(record: Record) -> bool:
    return record.critical and record.tag not in _KNOWN_TAGS


def _restricts(records: Sequence[Record]) -> bool:
    return any(record.tag == "issue" or _unknown(record) for record in records)


def _allows(records: Sequence[Record], domains: Sequence[str]) -> bool:
    return not any(map(_unknown, records)) and any(r.tag == "issue" and r.issuer in domains for r in records)
