# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What another edge of a swarm needs to renew a certificate in the lead's place: certbot's files, with its account.

With them it asks the CA as the same account, when the certificate is due and no sooner.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import UserError
from ..files import write_whole
from . import attempts

_PARTS = ("cert", "chain", "fullchain", "privkey")
# Below accounts/ stand the parts of the CA's address.
_WORD = r"[^/.\0][^/\0]*"


def pack(root: Path, stack: str) -> dict[str, str]:
    """Text by path below certbot's directory; nothing where certbot holds no certificate of the stack."""
    acme = root / "acme"
    live = [(acme / "live" / stack / f"{part}.pem").resolve() for part in _PARTS]
    settings = acme / "renewal" / f"{stack}.conf"
    if not all(path.is_file() for path in (*live, settings)):
        return {}
    accounts = sorted(path for path in (acme / "accounts").rglob("*.json") if path.is_file())
    return {str(path.relative_to(acme.resolve())): path.read_text() for path in (*accounts, *live, settings)}


def unpack(root: Path, stack: str, told: Mapping[str, str], uid: int) -> None:
    """Certbot of this edge holds what was packed; what is so already is left alone.

    Args:
        uid: As whom certbot runs.

    Raises:
        UserError: A path is none of certbot's.
    """
    acme = root / "acme"
    for place, text in told.items():
        found = re.fullmatch(rf"archive/{re.escape(stack)}/({'|'.join(_PARTS)})\d+\.pem", place)
        if not found and not re.fullmatch(rf"accounts/({_WORD}/)+{_WORD}|renewal/{re.escape(stack)}\.conf", place):
            raise UserError(f"what was brought leads to {place!r}, which is no file of certbot's.")
        _write(acme, acme / place, text, uid)
        if found:
            _link(acme, acme / "live" / stack / f"{found[1]}.pem", f"../../{place}", uid)


def _write(acme: Path, path: Path, text: str, uid: int) -> None:
    _room(acme, path.parent, uid)
    if not path.is_file() or path.read_text() != text:
        write_whole(path, text, 0o600, (uid, uid))


def _link(acme: Path, path: Path, target: str, uid: int) -> None:
    if path.is_symlink() and str(path.readlink()) == target:
        return
    _room(acme, path.parent, uid)
    draft = path.with_name(f".{path.name}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(path)


def _room(acme: Path, folder: Path, uid: int) -> None:
    for made in reversed([folder, *(p for p in folder.parents if p == acme or acme in p.parents)]):
        if not made.is_dir():
            made.mkdir(mode=0o700)
            os.chown(made, uid, uid)


def note_issued(root: Path, stack: str, issued: dict[str, object]) -> None:
    """The certificate that was brought is the one that this edge's settings ask for."""
    past = attempts.load(root, stack)
    if issued and past.issued != issued:
        attempts.save(root, stack, replace(past, issued=issued))
