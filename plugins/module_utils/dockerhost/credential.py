# Copyright: The sluice.deploy maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Docker asks for a login right before it needs one: a credential helper, over a file that root alone can read."""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import commands
from ..errors import UserError

LOGINS = Path("/etc/sluice/registry-logins.json")
# Docker's words: with them, it goes on without a login.
_NONE = "credentials not found in native keychain"
_SECONDS = 60


def main(argv: Sequence[str] = (), logins: Path = LOGINS) -> int:
    """Exit status; Docker reads from stdout, and shows stderr."""
    asked = list(argv or sys.argv[1:])
    if asked == ["list"]:
        print("{}")
        return 0
    if asked != ["get"]:
        print("Logins of this registry stand in docker_host_registries of the inventory.")
        return 1
    server = sys.stdin.read().strip()
    try:
        told = json.loads(logins.read_text(encoding="utf-8")).get(registry_of(server))
        if told is None or "username" not in told:
            raise OSError
        print(json.dumps({"ServerURL": server, "Username": told["username"], "Secret": password_of(server, told)}))
    except UserError as error:
        print(error, file=sys.stderr)
        print(error)
        return 1
    except (OSError, ValueError):
        print(_NONE)
        return 1
    return 0


def registry_of(server: str) -> str:
    """The registry's name in whatever form Docker asks for it."""
    host = server.partition("://")[2] or server
    host = host.partition("/")[0].lower()
    return "docker.io" if host in ("index.docker.io", "registry-1.docker.io") else host


def password_of(registry: str, told: Mapping[str, Any]) -> str:
    """The password, or what the command prints.

    Raises:
        UserError: The command fails, does not end, or prints nothing; what it said is not shown, as it may be secret.
    """
    if "password" in told:
        return str(told["password"])
    where = f"docker_host_registries: the password_command of {registry_of(registry)}"
    # systemd gives its services no home, in which tools of clouds have their own logins.
    os.environ.setdefault("HOME", pwd.getpwuid(os.geteuid()).pw_dir)
    try:
        done = commands.run(told["password_command"], _SECONDS)
    except UserError as error:
        raise UserError(f"{where}: {error}")
    if done.returncode:
        raise UserError(f"{where} ended with status {done.returncode}; run it on the server by hand")
    if not done.stdout.strip():
        raise UserError(f"{where} printed nothing; it has to print the password")
    return done.stdout.strip()
