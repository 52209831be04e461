# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who administers a server, and by what key: so that nobody is locked out of it."""

from __future__ import annotations

import os
import pwd
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from .. import commands

_KEY = re.compile(r"(^|\s)(ssh-|ecdsa-|sk-)\S+\s+AAAA", re.MULTILINE)
_SBIN = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
_NOBODY = 2**32 - 1


def who_logged_in() -> str:
    """The name of the user who logged in, also where that one became root since; the process' own where nobody did."""
    try:
        login = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        login = _NOBODY
    if login == _NOBODY:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    return pwd.getpwuid(login).pw_name


def why_keys_alone_lock_out(user: str) -> str:
    """Why a user would not get in any more if sshd took no passwords, with the way out; empty where they would."""
    sshd = shutil.which("sshd", path=_SBIN)
    if not sshd:
        return "there is no sshd on this server"
    told = commands.run([sshd, "-T", "-C", f"user={user},host=localhost,addr=127.0.0.1"])
    if told.returncode != 0:
        return f"sshd does not tell its settings: {(told.stderr or told.stdout).strip()}"
    entry = pwd.getpwnam(user)
    return judge(dict(line.partition(" ")[::2] for line in told.stdout.splitlines()), user, entry.pw_dir, entry.pw_uid)


def judge(settings: Mapping[str, str], user: str, home: str, uid: int) -> str:
    """The same, by what `sshd -T` tells of that user."""
    if settings.get("pubkeyauthentication") == "no":
        return "sshd takes no keys (PubkeyAuthentication no)"
    # What a command or an authority says of a key cannot be known here.
    if any(settings.get(key, "none") != "none" for key in ("authorizedkeyscommand", "trustedusercakeys")):
        return ""
    known = {"%%": "%", "%h": home, "%u": user, "%U": str(uid)}
    names = settings.get("authorizedkeysfile", ".ssh/authorized_keys").split()
    places = [Path(home, re.sub("%[%huU]", lambda found: known[found[0]], name)) for name in names]
    for place in places:
        try:
            if any(_KEY.search(line) for line in place.read_text(errors="replace").splitlines() if line[:1] != "#"):
                return ""
        except OSError:
            continue
    named = " or ".join(map(str, places))
    return f"{user}, who logged in, has no key in {named}; put one there, as ssh-copy-id does, and log in by it"
